#!/bin/sh
# As root: no jar of an earlier revision may be there, and the user who deploys must be able to read the next.
set -eu
umask 022
rm -rf /opt/web/incoming
mkdir -p /opt/web/incoming
