run() { printf 'usage: press COMMAND\n'; for f in "$lib"/*.sh; do n=$(basename "$f" .sh); [ "$n" = common ] || echo "  $n"; done; }
