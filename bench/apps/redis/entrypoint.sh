#!/bin/sh
set -e
# Flags alone mean the server with these flags.
if [ "${1#-}" != "$1" ]; then
  set -- redis-server /etc/redis/redis.conf "$@"
fi
if [ "$1" = redis-server ] && [ "$(id -u)" = 0 ]; then
  find . ! -user redis -exec chown redis {} +
  exec gosu redis "$0" "$@"
fi
if [ -n "$REDIS_PASSWORD" ]; then
  set -- "$@" --requirepass "$REDIS_PASSWORD"
fi
exec "$@"
