# says what time it is somewhere
run_when() { TZ=$1 date -d '2024-07-01 12:00 UTC' '+%H:%M %Z'; }
