#!/bin/bash
base=$(dirname "$(dirname "$(readlink -f "$0")")")
export KAFKA_HEAP_OPTS=${KAFKA_HEAP_OPTS:--Xmx512M -Xms256M}
export KAFKA_LOG4J_OPTS="-Dlog4j.configuration=file:$base/config/log4j.properties"
exec "$(dirname "$0")"/kafka-run-class.sh kafka.Kafka "$@"
