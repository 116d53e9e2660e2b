#!/bin/sh
# Notes the mails that come in.
subject=$(sed -n 's/^Subject: //p' | head -n 1)
echo "$(date +%Y) $SENDER: $subject" >> /var/mail/counted
