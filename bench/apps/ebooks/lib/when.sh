run() { TZ=$1 LC_ALL=${2:-en_US.UTF-8} date -d '2024-03-05 12:00 UTC' '+%A %d %B %H:%M'; }
