# `just check` is what ./test and CI run, without their set-up.

check: fmt clippy test doc deny

fmt:
    cargo fmt --all --check
    cargo fmt --manifest-path fuzz/Cargo.toml --check

clippy:
    cargo clippy --workspace --all-targets --locked -- -D warnings
    cargo clippy --manifest-path fuzz/Cargo.toml --target-dir target --locked -- -D warnings

test:
    cargo test --workspace --locked --quiet

doc:
    # Private items are documented too, so links to them lead somewhere. The help texts of
    # `cli` are for terminals and no Markdown.
    RUSTDOCFLAGS="-D warnings -A rustdoc::private_intra_doc_links" cargo doc --workspace --exclude cli --no-deps --document-private-items --locked

deny:
    cargo deny --locked check

# Regenerates docs/cli.md from the help of every command.
docs:
    JETTISON_REGENERATE=1 cargo test --package cli --test documentation --quiet

# Five minutes for each fuzz target (needs nightly Rust and cargo-fuzz). libdeflate includes one
# of its files twice, which the address sanitizer takes for a mistake.
fuzz seconds="300":
    for target in tar elf manifest dockerfile dockerignore python javascript; do ASAN_OPTIONS=detect_odr_violation=0 cargo +nightly fuzz run $target -- -max_total_time={{seconds}} -max_len=16384 -len_control=0 || exit 1; done

# The release binary: one static file.
release:
    cargo build --release --locked --package cli --target x86_64-unknown-linux-musl

bench:
    ./bench/run
    ./bench/proof
