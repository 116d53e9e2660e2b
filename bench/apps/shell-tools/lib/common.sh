die() { echo "ops: $*" >&2; exit 3; }
usage() {
  echo "usage: ops COMMAND"
  for file in "$library"/commands/*.sh; do
    printf '  %-10s %s\n' "$(basename "$file" .sh)" "$(sed -n 's/^# //p;1q' "$file")"
  done | sort
}
