# Sourced by ./demo, ./test and .ci/run: what a fresh Debian or Ubuntu machine lacks.
# Does nothing where everything is there, so that it costs nothing to call again.

say() { printf '\033[1m== %s\033[0m\n' "$*" >&2; }
fail() { printf 'error: %s\n' "$*" >&2; exit 2; }

as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif command -v sudo > /dev/null; then
    sudo "$@"
  else
    fail "root or sudo is needed for: $*"
  fi
}

# Installs the packages that are missing, from where this machine gets its own.
packages() {
  local missing=() package
  for package in "$@"; do
    dpkg-query --show --showformat '${db:Status-Status}' "$package" 2> /dev/null | grep -qx installed ||
      missing+=("$package")
  done
  [ ${#missing[@]} = 0 ] && return
  command -v apt-get > /dev/null || fail "please install: ${missing[*]}"
  say "installing ${missing[*]}"
  as_root apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends "${missing[@]}" > /dev/null
}

# The toolchain that rust-toolchain.toml names, with the target of the release binary.
rust() {
  export PATH=$HOME/.cargo/bin:$PATH
  if ! command -v rustup > /dev/null && ! command -v cargo > /dev/null; then
    if apt-cache show rustup > /dev/null 2>&1; then
      packages rustup
    else
      fail "Rust is missing, and this distribution has no rustup package: see https://rustup.rs"
    fi
  fi
  if command -v rustup > /dev/null; then
    # Installs the toolchain if need be.
    rustup show active-toolchain > /dev/null 2>&1 || rustup toolchain install --profile minimal
    rustup target list --installed | grep -qx "$target" || rustup target add "$target"
  fi
}

target=$(uname -m)-unknown-linux-musl

# Builds the release binary and sets `jettison`.
release() {
  say "building the release binary"
  cargo build --release --locked --package cli --target "$target"
  jettison=$(realpath "${CARGO_TARGET_DIR:-target}/$target/release/jettison")
}
