run() { asciidoctor-pdf -a source-highlighter=rouge ${OPTIONS:-} -o "${2:-${1%.adoc}.pdf}" "$1"; }
