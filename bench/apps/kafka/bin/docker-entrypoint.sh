#!/bin/bash
set -e
if [ "$1" != start ]; then
  exec "$@"
fi
config=/opt/kafka/config/server.properties
# KAFKA_LOG_RETENTION_HOURS=1 sets log.retention.hours=1
env | grep '^KAFKA_' | grep -vE '^KAFKA_(HEAP_OPTS|OPTS|LOG4J_OPTS)=' | while IFS='=' read -r name value; do
  key=$(echo "${name#KAFKA_}" | tr '[:upper:]_' '[:lower:].')
  sed -i "/^${key//./\\.}=/d" "$config"
  echo "$key=$value" >> "$config"
done
if [ ! -f /data/meta.properties ]; then
  kafka-storage.sh format -t "${CLUSTER_ID:-$(kafka-storage.sh random-uuid)}" -c "$config"
fi
exec kafka-server-start.sh "$config"
