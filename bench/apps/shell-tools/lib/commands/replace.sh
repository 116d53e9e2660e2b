# replaces words in files: replace FROM TO FILE...
run_replace() {
  local from=$1 to=$2
  shift 2
  sed -i -E "s/\b$from\b/$to/g" "$@"
  grep -c "$to" "$@" || true
  diff <(printf 'a\n') <(printf 'b\n') | wc -l
}
