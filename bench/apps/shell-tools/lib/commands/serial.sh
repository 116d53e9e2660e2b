# runs jobs side by side: serial COUNT
run_serial() {
  seq "$1" | xargs -P 2 -I{} sh -c 'echo job {}' | sort -V | tail -n 1
  trap 'echo cleaned up' EXIT
  local scratch
  scratch=$(mktemp -d)
  ( cd "$scratch" && touch a b && printf "%s\n" * | paste -sd, )
  timeout 1 sleep 5 || echo "timed out: $?"
}
