die() { echo "press: $*" >&2; exit 1; }
log() { [ -z "${VERBOSE:-}" ] || echo "$(date +%H:%M) $*" >&2; }
