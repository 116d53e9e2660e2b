# Sourced by bench/apps/run and bench/mission/run: a Debian base that sees the world as this machine does.

# debian_base NAME DIRECTORY: debian:$SUITE (default bookworm) with this machine's package sources and
# authorities as the Engine's image NAME. DIRECTORY is for what is made on the way.
debian_base() {
  local name=$1 out=$2 files=$2/base path own suite=${SUITE:-bookworm}
  mkdir -p "$files/host/etc/apt" "$files/host/etc/ssl/certs" "$files/host/usr/local/share" "$files/host/root"
  for path in sources.list sources.list.d keyrings trusted.gpg.d apt.conf.d/99artifact-registry; do
    [ ! -e "/etc/apt/$path" ] || cp -rL --parents "/etc/apt/$path" "$files/host/"
  done
  # A keyring that a source names lies anywhere.
  sed -n 's/^Signed-By: *\(\/.*\)/\1/p' /etc/apt/sources.list.d/*.sources 2> /dev/null | sort -u |
    while read -r path; do [ ! -f "$path" ] || cp -L --parents "$path" "$files/host/"; done
  cp -L /etc/ssl/certs/ca-certificates.crt "$files/host/etc/ssl/certs/"
  [ ! -d /usr/local/share/ca-certificates ] || cp -r /usr/local/share/ca-certificates "$files/host/usr/local/share/"
  printf '[global]\ncert = /etc/ssl/certs/ca-certificates.crt\n' > "$files/host/etc/pip.conf"
  printf 'cafile=/etc/ssl/certs/ca-certificates.crt\n' > "$files/host/root/.npmrc"
  own=$(. /etc/os-release && echo "$VERSION_CODENAME")
  find "$files" \( -name '*.list' -o -name '*.sources' \) -exec sed -i "s/\b$own\b/$suite/g" {} +
  # The same files give the same times, and with them the layer in the cache.
  find "$files" -exec touch --no-dereference --date @0 {} +
  printf 'FROM debian:%s\nRUN rm -rf /etc/apt/sources.list /etc/apt/sources.list.d\nCOPY host/ /\n' "$suite" |
    docker build --quiet --tag "$name" --file - "$files" > "$out/base.build" 2>&1 ||
    { cat "$out/base.build" >&2; fail "the base image cannot be built"; }
}
