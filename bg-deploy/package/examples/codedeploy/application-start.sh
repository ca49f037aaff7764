#!/bin/sh
# As the user who deploys: the release runs in the idle slot and is healthy, and nginx is where it was. If this fails, the
# release was stopped, and the slot holds what it held before. What it prints is in the deployment's log.
umask 022
exec bg-deploy --env-file /etc/bg/web.env --wait 5m --if-changed --prepare /opt/web/incoming/*.jar
