# encrypts standard input with the password in $PASSWORD; with -d, decrypts
run_seal() { openssl enc -aes-256-cbc -pbkdf2 -a -pass env:PASSWORD "$@"; }
