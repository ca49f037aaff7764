#!/bin/bash
# switch.sh as it was published, but for its paths and sudo.

echo "> which port is live?"
CURRENT_PROFILE=$(curl -s $FRONT/profile)

if [ $CURRENT_PROFILE == set1 ]
then
  IDLE_PORT=$SET2_PORT
elif [ $CURRENT_PROFILE == set2 ]
then
  IDLE_PORT=$SET1_PORT
else
  echo "> no such profile: $CURRENT_PROFILE; set1 it is"
  IDLE_PORT=$SET1_PORT
fi

echo "> to $IDLE_PORT"
echo "set \$service_url http://127.0.0.1:${IDLE_PORT};" | tee $UPSTREAM_FILE

PROXY_PORT=$(curl -s $FRONT/profile)
echo "> nginx was at $PROXY_PORT"

echo "> reload nginx"
$RUN_NGINX -s reload
