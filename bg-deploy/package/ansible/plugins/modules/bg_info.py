#!/usr/bin/python
# Asks bg-probe what a host serves. It changes nothing, so it runs in check mode as well.

from __future__ import annotations

DOCUMENTATION = r"""
module: bg_info
short_description: Tells what a host serves, by bg-probe
description:
  - Runs C(bg-probe), which must be installed on the host. A host of which nobody can tell what it serves is no failure,
    and RV(note) says why.
author:
  - The authors of bg (@bg)
options:
  env_file:
    description: The settings file of the application on the host.
    type: path
    required: true
attributes:
  check_mode:
    description: Can run in check mode and return changed status prediction without modifying the target.
    support: full
  diff_mode:
    description: It changes nothing, so there is no difference.
    support: none
"""

EXAMPLES = r"""
- name: Ask what is live
  bg.deploy.bg_info:
    env_file: /etc/bg/web.env
  register: status
"""

RETURN = r"""
live:
  description: The live slot, empty where there is none.
  returned: always
  type: str
release:
  description: The live release.
  returned: always
  type: str
sha256:
  description: The digest of the live release's artifact.
  returned: always
  type: str
note:
  description: What is not as usual.
  returned: always
  type: str
line:
  description: All of this as a line of a table.
  returned: always
  type: str
record:
  description: The record of C(bg-probe).
  returned: always
  type: dict
"""

import json

from ansible.module_utils.basic import AnsibleModule


def notes(record, code, said):
    """What whoever looks after the host wants to know besides."""
    if code != 0:
        return said.strip().splitlines()[:1]
    found = [key for key in ("closed", "drained") if record.get(key)]
    for key in ("shares", "lingers", "prepared"):
        if record.get(key):
            found.append("%s %s" % (key, json.dumps(record[key])))
    return found


def main():
    """Asks, and says what was answered."""
    module = AnsibleModule(argument_spec=dict(env_file=dict(type="path", required=True)), supports_check_mode=True)
    probe = module.get_bin_path("bg-probe", required=True, opt_dirs=["/usr/local/bin", "/usr/bin"])
    code, out, said = module.run_command([probe, "--env-file", module.params["env_file"], "--slot", "live"])
    record = json.loads(out) if code == 0 else {}
    live, release, digest = (record.get(key) or "" for key in ("live", "live_release", "live_sha256"))
    note = ", ".join(notes(record, code, said))
    line = "%-6s %-26s %-14s %s" % (live or "-", release or "-", digest[:12] or "-", note)
    module.exit_json(changed=False, live=live, release=release, sha256=digest, note=note, line=line, record=record)


if __name__ == "__main__":
    main()
