# copies what changed: sync FROM TO
run_sync() { rsync --archive --itemize-changes --delete "$1"/ "$2"/ | grep -c '^>f' || true; }
