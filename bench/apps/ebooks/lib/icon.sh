run() { rsvg-convert -w "${3:-64}" -f "${2##*.}" -o "$2" "$1"; }
