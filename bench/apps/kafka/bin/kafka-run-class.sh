#!/bin/bash
base=$(dirname "$(dirname "$(readlink -f "$0")")")
: "${LOG_DIR:=$base/logs}"
if [ -z "$KAFKA_LOG4J_OPTS" ]; then
  KAFKA_LOG4J_OPTS="-Dlog4j.configuration=file:$base/config/tools-log4j.properties"
fi
if [ -n "$JAVA_HOME" ]; then java=$JAVA_HOME/bin/java; else java=java; fi
CLASSPATH="$base/libs/*"
# shellcheck disable=SC2086
exec "$java" ${KAFKA_HEAP_OPTS:--Xmx256M} -server -Djava.awt.headless=true -Dkafka.logs.dir="$LOG_DIR" $KAFKA_LOG4J_OPTS $KAFKA_OPTS -cp "$CLASSPATH" "$@"
