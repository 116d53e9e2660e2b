#!/bin/bash
set -e
envsubst '$MAIL_DOMAIN' < /etc/exim4/update-exim4.conf.conf.template > /etc/exim4/update-exim4.conf.conf
echo "$MAIL_DOMAIN" > /etc/mailname
if [ ! -f /etc/exim4/exim.key ]; then
  openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj "/CN=$MAIL_DOMAIN" -keyout /etc/exim4/exim.key -out /etc/exim4/exim.crt 2> /dev/null
  chown Debian-exim /etc/exim4/exim.key
fi
chown -R Debian-exim: /var/spool/exim4
chgrp mail /var/mail && chmod 2777 /var/mail
update-exim4.conf
if [ "$1" = exim ]; then
  touch /var/log/exim4/mainlog && chown Debian-exim:adm /var/log/exim4/mainlog
  tail -n 0 -F /var/log/exim4/mainlog &
fi
exec "$@"
