run() { case $1 in tone) sox -n "$2" synth "${3:-1}" sine 440 ;; convert) sox "$2" "$3" ;; info) soxi "$2" ;; effect) f=$3; in=$2; shift 3; sox "$in" "$f" "$@" ;; *) die "sound: $1?" ;; esac; }
