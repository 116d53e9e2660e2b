#!/bin/bash
base=$(dirname "$(dirname "$(readlink -f "$0")")")
export KAFKA_LOG4J_OPTS="-Dlog4j.configuration=file:$base/config/log4j.properties"
exec "$(dirname "$0")"/kafka-run-class.sh org.apache.kafka.connect.cli.ConnectStandalone "$@"
