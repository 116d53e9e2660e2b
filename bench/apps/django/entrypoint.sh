#!/bin/sh
set -e
if [ "$(id -u)" = 0 ]; then
  chown -R app /data
  exec gosu app "$0" "$@"
fi
if [ "$1" = gunicorn ]; then
  python3 manage.py migrate --no-input
  if [ -n "$ADMIN_PASSWORD" ]; then
    DJANGO_SUPERUSER_PASSWORD=$ADMIN_PASSWORD python3 manage.py createsuperuser --no-input --username admin --email admin@shop.test || true
  fi
fi
exec "$@"
