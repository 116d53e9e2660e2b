#!/bin/sh
squid -z -N -F
squid -N -d 1 &
trap 'squid -k shutdown' TERM INT
wait
wait
