run() { tr -cs '[:alpha:]' '\n' < "$1" | sort -f | uniq -ci | sort -rn | head -n "${2:-3}" | awk '{print $1, tolower($2)}'; }
