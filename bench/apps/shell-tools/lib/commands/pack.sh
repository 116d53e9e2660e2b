# packs a directory: pack KIND DIRECTORY
run_pack() {
  case $1 in
    zip) (cd "$2" && zip -qr - .) > "$2.zip" ;;
    tgz) tar -C "$2" -czf "$2.tgz" . ;;
    txz) tar -C "$2" -cJf "$2.txz" . ;;
    *) die "unknown kind: $1" ;;
  esac
  find "$2".* -printf '%f\n'
}
