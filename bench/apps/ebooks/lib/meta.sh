run() { case $1 in get) exiftool -s "$2" ;; json) exiftool -j "$2" ;; set) exiftool -overwrite_original "-$2=$3" "$4" ;; strip) exiftool -all= -overwrite_original "$2" ;; esac; }
