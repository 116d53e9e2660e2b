# downloads an address and prints its digest
# shellcheck disable=SC2086 # several options
run_fetch() { curl --fail --silent --show-error --location ${CURL_OPTIONS:-} "$1" | tee "${2:-/dev/null}" | sha256sum | cut -d ' ' -f 1; }
