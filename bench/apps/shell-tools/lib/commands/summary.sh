# adds up a column of JSON
run_summary() { jq -r '.[] | [.name, .size] | @tsv' | awk '{ n[$1] += $2 } END { for (k in n) print k, n[k] }' | sort -k2nr | head -n "${1:-10}"; }
