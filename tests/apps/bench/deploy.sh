#!/bin/bash
# deploy.sh as it was published, but for its paths, the program it starts, and the old process: its pid is
# kept in a file, where the original looks for the jar's name with `pgrep -f`.

BASE_PATH=$BASE_PATH
BUILD_PATH=$(ls $BASE_PATH/build/libs/*.jar)
JAR_NAME=$(basename $BUILD_PATH)
echo "> build file: $JAR_NAME"

echo "> copy it"
DEPLOY_PATH=$BASE_PATH/jar/
cp $BUILD_PATH $DEPLOY_PATH

echo "> which set is running?"
CURRENT_PROFILE=$(curl -s $FRONT/profile)
echo "> $CURRENT_PROFILE"

if [ $CURRENT_PROFILE == set1 ]
then
  IDLE_PROFILE=set2
  IDLE_PORT=$SET2_PORT
elif [ $CURRENT_PROFILE == set2 ]
then
  IDLE_PROFILE=set1
  IDLE_PORT=$SET1_PORT
else
  echo "> no such profile: $CURRENT_PROFILE; set1 it is"
  IDLE_PROFILE=set1
  IDLE_PORT=$SET1_PORT
fi

echo "> change the jar of $IDLE_PROFILE"
IDLE_APPLICATION=$IDLE_PROFILE-app.jar
IDLE_APPLICATION_PATH=$DEPLOY_PATH$IDLE_APPLICATION
ln -Tfs $DEPLOY_PATH$JAR_NAME $IDLE_APPLICATION_PATH

echo "> stop what runs in $IDLE_PROFILE"
IDLE_PID=$(cat $BASE_PATH/$IDLE_PROFILE.pid)
if [ -z $IDLE_PID ]
then
  echo "> nothing does"
else
  echo "> kill -15 $IDLE_PID"
  kill -15 $IDLE_PID
  sleep 5
fi

echo "> start $IDLE_PROFILE"
BG_SLOT=$IDLE_PROFILE PORT=$IDLE_PORT nohup $START >/dev/null 2>&1 &
echo $! >$BASE_PATH/$IDLE_PROFILE.pid

echo "> health check in 10 s"
sleep 10

for retry_count in {1..10}
do
  response=$(curl -s http://127.0.0.1:$IDLE_PORT/health)
  up_count=$(echo $response | grep 'UP' | wc -l)

  if [ $up_count -ge 1 ]
  then
    echo "> healthy"
    break
  else
    echo "> no answer, or not UP: $response"
  fi

  if [ $retry_count -eq 10 ]
  then
    echo "> not healthy; nginx is not moved"
    exit 1
  fi

  echo "> again in 10 s"
  sleep 10
done

echo "> switch in 10 s"
sleep 10
$BASE_PATH/switch.sh
