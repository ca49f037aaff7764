#!/bin/sh
# As the user who deploys: what nginx serves is healthy.
set -a
. /etc/bg/web.env
exec bg-health --slot live --once
