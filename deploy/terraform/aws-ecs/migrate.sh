#!/bin/sh
# Runs the migrate task once and exits with 0 only if it succeeded. Called by Terraform.
set -eu
task=$(aws ecs run-task --cluster "$CLUSTER" --task-definition "$TASK_DEFINITION" --launch-type FARGATE \
  --network-configuration "awsvpcConfiguration={subnets=[$SUBNETS],securityGroups=[$SECURITY_GROUP],assignPublicIp=DISABLED}" \
  --query 'tasks[0].taskArn' --output text)
if [ "$task" = None ]; then
  echo "ECS started no migrate task: check the quotas of Fargate" >&2
  exit 1
fi

# One wait takes at most ten minutes; a backfill can take longer. PCF_MIGRATE_WAITS raises the limit.
waits=0
until aws ecs wait tasks-stopped --cluster "$CLUSTER" --tasks "$task"; do
  waits=$((waits + 1))
  if [ "$waits" -ge "${PCF_MIGRATE_WAITS:-6}" ]; then
    echo "$task did not stop within the limit of PCF_MIGRATE_WAITS; it continues to run" >&2
    exit 1
  fi
done

code=$(aws ecs describe-tasks --cluster "$CLUSTER" --tasks "$task" \
  --query "tasks[0].containers[?name=='api'].exitCode | [0]" --output text)
if [ "$code" != 0 ]; then
  echo "migrations failed with exit code $code: see the log stream migrate/api/${task##*/}" >&2
  exit 1
fi
