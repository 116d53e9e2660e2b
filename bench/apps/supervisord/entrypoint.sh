#!/bin/bash
set -euo pipefail

: "${SHOP_NAME:?a name is needed}"
export SHOP_NAME
SHOP_SECRET=${SHOP_SECRET:-$(head -c 16 /dev/urandom | od -An -tx1 | tr -d ' \n')}
export SHOP_SECRET SERVER_NAME=${SERVER_NAME:-_} MAX_BODY=${MAX_BODY:-1m}

for template in /etc/templates/*.template; do
  target=$(basename "$template" .template)
  case $target in
    nginx.conf) out=/etc/nginx/conf.d/shop.conf ;;
    shop.yaml) out=/srv/shop.yaml ;;
    *) echo "what is $target?" >&2; exit 1 ;;
  esac
  envsubst '$SHOP_NAME $SHOP_SECRET $SERVER_NAME $MAX_BODY $TLS_BLOCK' < "$template" > "$out"
done
if [ -n "${TLS_CERT:-}" ]; then
  TLS_BLOCK="listen 443 ssl http2; ssl_certificate $TLS_CERT; ssl_certificate_key ${TLS_KEY:?};" \
    envsubst '$SHOP_NAME $SERVER_NAME $MAX_BODY $TLS_BLOCK' < /etc/templates/nginx.conf.template > /etc/nginx/conf.d/shop.conf
fi
if [ -n "${BASIC_AUTH:-}" ]; then
  echo "${BASIC_AUTH%%:*}:$(openssl passwd -apr1 "${BASIC_AUTH#*:}")" > /etc/nginx/htpasswd
  sed -i 's|# auth|auth_basic "shop"; auth_basic_user_file /etc/nginx/htpasswd;|' /etc/nginx/conf.d/shop.conf
fi
[ "$(stat -c %U /data)" = shop ] || chown -R shop: /data

if [ "${1:-}" = supervisord ]; then
  for hook in /docker-entrypoint.d/*.sh; do
    [ -f "$hook" ] || continue
    echo "running $hook"
    bash "$hook"
  done
  nginx -t -q
  exec "$@"
fi
exec gosu shop "$@"
