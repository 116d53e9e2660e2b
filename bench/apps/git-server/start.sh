#!/bin/bash
set -e
if [ ! -d /srv/git/demo.git ]; then
  git init --quiet --bare --initial-branch=main /srv/git/demo.git
  git -C /srv/git/demo.git config http.receivepack true
fi
htpasswd -cb /srv/git/.htpasswd ann "${GIT_PASSWORD:-pw}" 2> /dev/null
ssh-keygen -A > /dev/null
if [ -n "$AUTHORIZED_KEY" ]; then
  install -d -m 700 -o git -g git /home/git/.ssh
  echo "$AUTHORIZED_KEY" > /home/git/.ssh/authorized_keys
  chown git:git /home/git/.ssh/authorized_keys
fi
chown -R git:git /srv/git
/usr/sbin/sshd
exec lighttpd -D -f /etc/lighttpd/lighttpd.conf
