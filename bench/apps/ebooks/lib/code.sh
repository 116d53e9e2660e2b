run() { rougify highlight -l "$1" -f "${2:-html}" "$3"; }
