#!/bin/bash
# Files a message as a ticket: sender, recipient, subject.
subject=$(formail -zxSubject: 2> /dev/null || sed -n 's/^Subject: //p' | head -1)
printf '%s|%s|%s|%s\n' "$(date +%F)" "$1" "$2" "$subject" >> "/tmp/tickets-${2:-robot}"
case $subject in
  *nobody*) echo 'no such ticket'; exit 67 ;;
esac
