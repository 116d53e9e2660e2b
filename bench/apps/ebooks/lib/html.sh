run() { log html "$1"; asciidoctor -a source-highlighter=rouge ${OPTIONS:-} -o "${2:-${1%.adoc}.html}" "$1"; }
