#!/bin/sh
set -e
chown -R shop /data
[ -f /data/shop.db ] || gosu shop sqlite3 /data/shop.db < /app/sql/schema.sql
for patch in /app/sql/patch-*.sql; do
  name=$(basename "$patch" .sql)
  gosu shop sqlite3 /data/shop.db "insert into patches values ('$name')" 2> /dev/null && gosu shop sqlite3 /data/shop.db < "$patch"
done
exec gosu shop "$@"
