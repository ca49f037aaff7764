#!/bin/sh
# As the user who deploys. What it prints is in the deployment's log; the release that served goes on serving if it fails.
umask 022
exec bg-deploy --env-file /etc/bg/web.env --wait 5m /opt/web/incoming/*.jar
