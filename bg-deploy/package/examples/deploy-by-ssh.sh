#!/bin/sh
# deploy-by-ssh.sh JAR: copies JAR to DEPLOY_SERVER and deploys it there. Ends as bg-deploy ends.
set -eu

name=incoming-$$-$(basename "$1")
known_hosts=$(mktemp)
trap 'rm -f "$known_hosts"' EXIT
printf '%s\n' "$DEPLOY_KNOWN_HOSTS" >"$known_hosts"

remote() {
    ssh -o UserKnownHostsFile="$known_hosts" -o BatchMode=yes "$DEPLOY_SERVER" "$@"
}

remote "cat >'$name'" <"$1"
remote "bg-deploy --env-file /etc/bg/web.env --wait 5m '$name'; ended=\$?; rm -f '$name'; exit \$ended" </dev/null
