#!/bin/bash
python3 /srv/backend.py &
exec varnishd -F -a :80 -T localhost:6082 -S /etc/varnish/secret -f /etc/varnish/default.vcl -s malloc,64m
