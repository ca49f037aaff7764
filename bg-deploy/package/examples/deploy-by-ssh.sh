#!/bin/sh
# deploy-by-ssh.sh JAR: copies JAR to DEPLOY_SERVER and deploys it there. Ends as bg-deploy ends. If this script is
# ended, the deploy runs on to its end on the server; a copy that is not whole is removed there.
set -eu

size=$(wc -c <"$1")
name=incoming-$$-$(basename "$1" | tr -cd 'A-Za-z0-9._-')
known_hosts=$(mktemp)
trap 'rm -f "$known_hosts"' EXIT
printf '%s\n' "$DEPLOY_KNOWN_HOSTS" >"$known_hosts"

ssh -o UserKnownHostsFile="$known_hosts" -o BatchMode=yes "$DEPLOY_SERVER" "
    cat >$name && [ \$(wc -c <$name) -eq $size ] &&
        bg-deploy --env-file /etc/bg/web.env --wait 5m $name </dev/null
    ended=\$?; rm -f $name; exit \$ended" <"$1"
