#!/usr/bin/python
# Calls bg-deploy, and says what it says of a deploy in Ansible's words: changed, failed, and the difference.

from __future__ import annotations

DOCUMENTATION = r"""
module: bg_deploy
short_description: Deploys a release on a host by bg-deploy
description:
  - Runs C(bg-deploy), which must be installed on the host. Whether anything was changed is what its record says.
  - In check mode nothing is changed, and the release that would be deployed is compared with the live one.
author:
  - The authors of bg (@bg)
options:
  step:
    description:
      - V(deploy) deploys the artifact, V(rollback) goes back to the release before.
      - V(prepare) starts it and waits until it is healthy, and V(finish) moves the visitors to what was prepared.
      - V(abandon) stops what was prepared.
    type: str
    choices: [deploy, prepare, finish, abandon, rollback]
    default: deploy
  env_file:
    description: The settings file of the application on the host.
    type: path
    required: true
  artifact:
    description: The file or folder to deploy, on the host.
    type: path
  sha256:
    description:
      - The artifact's digest, for a check mode in which the artifact was not copied to the host yet.
      - Of a rollback, what to go back from. Where something else is live, nothing is done.
    type: str
  command:
    description: How the release is started, word for word, if not as the settings file says.
    type: list
    elements: str
    default: []
  release:
    description: The release to go back to; the first letters of its name are enough.
    type: str
  wait:
    description: How long to wait while another deploy holds the lock.
    type: str
    default: 5m
  flags:
    description: Further flags of C(bg-deploy).
    type: list
    elements: str
    default: []
attributes:
  check_mode:
    description: Can run in check mode and return changed status prediction without modifying the target.
    support: full
  diff_mode:
    description: Shows the live release before and after.
    support: full
"""

EXAMPLES = r"""
- name: Deploy what is not live yet
  bg.deploy.bg_deploy:
    env_file: /etc/bg/web.env
    artifact: /var/lib/bg/web.incoming/app.jar

- name: Go back
  bg.deploy.bg_deploy:
    env_file: /etc/bg/web.env
    step: rollback
"""

RETURN = r"""
record:
  description: The record of the deploy, as C(bg-deploy) prints it.
  returned: when the step was done
  type: dict
exit:
  description: The exit code of C(bg-deploy).
  returned: always
  type: int
said:
  description: What C(bg-deploy) said, line by line.
  returned: always
  type: list
  elements: str
"""

import json
import os

from ansible.module_utils.basic import AnsibleModule

STEPS = {"prepare": ["--prepare"], "finish": ["--finish"], "abandon": ["--abandon"], "rollback": ["--rollback"]}


def words(params, artifact):
    """The command line, but for the program."""
    step = params["step"]
    said = ["--env-file", params["env_file"], "--wait", params["wait"]] + STEPS.get(step, []) + params["flags"]
    if params["release"]:
        said += ["--to", params["release"]]
    if step in ("deploy", "prepare"):
        said += ["--if-changed", artifact]
        if params["command"]:
            said += ["--"] + params["command"]
    return said


def run(module, program, arguments):
    """Runs one of the programs; its exit code, the JSON that it printed and the lines that it said."""
    path = module.get_bin_path(program, required=True, opt_dirs=["/usr/local/bin", "/usr/bin"])
    code, out, said = module.run_command([path] + arguments)
    try:
        printed = json.loads(out)
    except ValueError:
        printed = {}
    return code, printed, said.splitlines()


def live(module):
    """The live release and its digest, or None where nothing is live."""
    record = run(module, "bg-probe", ["--env-file", module.params["env_file"], "--slot", "live"])[1]
    return {"release": record.get("live_release"), "sha256": record.get("live_sha256")}


def is_old(module, artifact):
    """Whether the host does not have the artifact as the control host has it, for a check copies nothing."""
    wanted = module.params["sha256"]
    return not os.path.exists(artifact) or (os.path.isfile(artifact) and wanted not in (None, module.sha256(artifact)))


def foretell(module):
    """What a run would do."""
    params = module.params
    if params["step"] in ("finish", "abandon"):
        module.exit_json(changed=True, exit=0, said=["what was prepared by then is not known in check mode"])
    artifact, code, said = params["artifact"], 0, []
    if params["step"] == "rollback":
        plan = {"changed": True, "from": live(module), "to": {"release": params["release"] or "the one before"}}
    elif is_old(module, artifact):
        before = live(module)
        plan = {"changed": before["sha256"] != params["sha256"], "from": before, "to": {"sha256": params["sha256"]}}
    else:
        code, plan, said = run(module, "bg-deploy", ["--dry-run", "--json"] + words(params, artifact))
    if code != 0:
        module.fail_json(msg="\n".join(said), exit=code, said=said)
    sides = [json.dumps(plan.get(side), indent=2, sort_keys=True) + "\n" for side in ("from", "to")]
    module.exit_json(changed=bool(plan.get("changed")), exit=0, said=said, diff=dict(before=sides[0], after=sides[1]))


def main():
    """Does one step of a deploy."""
    module = AnsibleModule(
        argument_spec=dict(
            step=dict(type="str", choices=["deploy", "prepare", "finish", "abandon", "rollback"], default="deploy"),
            env_file=dict(type="path", required=True),
            artifact=dict(type="path"),
            sha256=dict(type="str"),
            command=dict(type="list", elements="str", default=[]),
            release=dict(type="str"),
            wait=dict(type="str", default="5m"),
            flags=dict(type="list", elements="str", default=[]),
        ),
        required_if=[("step", "deploy", ["artifact"]), ("step", "prepare", ["artifact"])],
        supports_check_mode=True,
    )
    wanted = module.params["sha256"] if module.params["step"] == "rollback" else None
    if wanted and live(module)["sha256"] != wanted:
        module.exit_json(changed=False, exit=0, said=["another artifact is live"])
    if module.check_mode:
        foretell(module)
    code, record, said = run(module, "bg-deploy", words(module.params, module.params["artifact"]))
    if code != 0:
        module.fail_json(msg="\n".join(said) or "bg-deploy ended with %d" % code, exit=code, said=said)
    changed = record.get("deploy", {}).get("changed", True)
    module.exit_json(changed=changed, record=record, exit=0, said=said)


if __name__ == "__main__":
    main()
