#!/bin/sh
# As the user who deploys: nginx is moved to what is prepared, if that is healthy still and BG_DEPLOY_BEFORE_SWITCH, a smoke
# test, has nothing against it. If this fails, the release is stopped, and what served goes on serving.
bg-deploy --env-file /etc/bg/web.env --wait 5m --finish
ended=$?
case $ended in
    0) ;;
    3) exec bg-health --env-file /etc/bg/web.env --slot live --once ;; # nothing is prepared: this release is live already
    *) bg-deploy --env-file /etc/bg/web.env --wait 5m --abandon ;;
esac
exit $ended
