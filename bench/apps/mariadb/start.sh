#!/bin/bash
set -eo pipefail
if [ "${1:0:1}" = - ]; then set -- mariadbd "$@"; fi
if [ "$1" = mariadbd ]; then
  if [ ! -d /var/lib/mysql/mysql ]; then
    echo "preparing the data directory"
    mariadb-install-db --user=mysql --datadir=/var/lib/mysql --skip-test-db > /dev/null
    mariadbd --user=mysql --skip-networking --socket=/tmp/init.sock &
    server=$!
    for _ in {1..60}; do
      mariadb-admin --socket=/tmp/init.sock ping > /dev/null 2>&1 && break
      sleep 1
    done
    : "${MARIADB_ROOT_PASSWORD:=$(pwgen -1 20)}"
    mariadb-tzinfo-to-sql /usr/share/zoneinfo 2> /dev/null | mariadb --socket=/tmp/init.sock mysql
    mariadb --socket=/tmp/init.sock <<SQL
ALTER USER root@localhost IDENTIFIED BY '$MARIADB_ROOT_PASSWORD';
CREATE USER root@'%' IDENTIFIED BY '$MARIADB_ROOT_PASSWORD';
GRANT ALL ON *.* TO root@'%' WITH GRANT OPTION;
CREATE DATABASE shop CHARACTER SET utf8mb4;
SQL
    kill "$server"
    wait "$server" || true
  fi
  chown -R mysql:mysql /var/lib/mysql
  exec gosu mysql "$@"
fi
exec "$@"
