# shellcheck shell=bash
# What a `checks` file can use: containers of the image under test, requests to
# them, and what their answers are held against. Sourced by ./check.

# start [OPTION...] [-- ARGUMENT...]: a container of the image in the background.
# `$container` is the newest one.
start() { container=$(docker_run --detach "$@" 2> "$work/start" || cat "$work/start" >&2); }

# run [OPTION...] [-- ARGUMENT...]: to its end; standard input is passed on.
run() { docker_run --rm --interactive "$@"; }

docker_run() {
  local options=()
  while [ $# -gt 0 ] && [ "$1" != -- ]; do
    options+=("$1")
    shift
  done
  [ $# = 0 ] || shift
  timeout --kill-after 5 90 docker run --label "$label" "${options[@]}" "$image" "$@"
}

# inside COMMAND...: in the newest container. client COMMAND...: the same from the
# original image, in the container's network.
inside() { timeout --kill-after 5 60 docker exec --interactive "$container" "$@"; }
client() {
  local command=$1
  shift
  timeout --kill-after 5 60 docker run --label "$label" --rm --interactive --network "container:$container" \
    --entrypoint "$command" "$original" "$@"
}

# volume: the name of a new volume.
volume() { docker volume create --label "$label"; }

address() { docker inspect --format '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' "$container"; }

# get PATH [OPTION...]: the body, whatever the status; the port is `$port`.
port=80
get() {
  local path=$1
  shift
  curl --silent --show-error --insecure --max-time 15 "$@" "${scheme:-http}://$(address):$port$path"
}
status() { get "$1" --output /dev/null --write-out '%{http_code}\n' "${@:2}"; }

# ready COMMAND...: until it succeeds, a minute at most, or the container ends.
ready() {
  local tries
  for tries in $(seq 120); do
    "$@" > /dev/null 2>&1 && return
    [ "$(docker inspect --format '{{.State.Running}}' "$container" 2> /dev/null)" = true ] || break
    sleep 0.5
  done
  echo "not ready after $tries tries: $*" >&2
  docker logs --tail 20 "$container" >&2
  return 1
}
listens() { (exec 3<> "/dev/tcp/$(address)/$1"); }

# without_root PATTERN: such processes run in the container, none of them as root.
without_root() {
  docker top "$container" -eo pid,user,args | awk -v pattern="$1" '
    NR > 1 && $0 ~ pattern { found = 1; if ($2 == "root") { print; bad = 1 } }
    END { if (!found) print "no such process"; exit bad || !found }'
}

# certificate: key.pem and cert.pem for localhost in the work directory.
certificate() {
  [ -f cert.pem ] || openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost \
    -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout key.pem -out cert.pem 2> /dev/null
  chmod 644 key.pem
}

# serve_tls PORT: the work directory at https://127.0.0.1:PORT until the check ends.
serve_tls() {
  certificate
  openssl s_server -quiet -accept "127.0.0.1:$1" -WWW -key key.pem -cert cert.pem > server.log 2>&1 < /dev/null &
  trap 'kill $!' EXIT
  sleep 1
}

# ends SECONDS: the container's exit code once it has ended by itself.
ends() { timeout "$1" docker wait "$container"; }

# has TEXT...: standard input contains each. is TEXT: standard input is just that.
# fails COMMAND...: its exit code is not 0.
has() {
  local input text
  input=$(tr -d '\0')
  for text; do
    grep --quiet --fixed-strings -- "$text" <<< "$input" && continue
    printf 'no "%s" in:\n%s\n' "$text" "${input:0:1500}" >&2
    return 1
  done
}
is() {
  local input
  input=$(tr -d '\r')
  [ "$input" = "$1" ] && return
  printf 'not "%s" but:\n%s\n' "$1" "${input:0:1500}" >&2
  return 1
}
fails() { if "$@"; then echo "succeeded: $*" >&2; return 1; fi; }

clean() {
  docker ps --all --quiet --filter "label=$label" | xargs --no-run-if-empty docker rm --force --volumes > /dev/null
  docker volume ls --quiet --filter "label=$label" | xargs --no-run-if-empty docker volume rm --force > /dev/null
}
