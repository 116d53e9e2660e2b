#!/bin/sh
# scan.sh LANGUAGE FORMAT FILE: the text of a scanned page or document.
set -e
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
case $(head -c 5 "$3") in
  %PDF-) pdftoppm -r 150 -png "$3" "$work/page" ;;
  *) convert "$3" -colorspace Gray -density 150 "$work/page-1.png" ;;
esac
for page in "$work"/page-*.png; do
  tesseract "$page" - -l "$1" "$2" 2> "$work/errors" || { cat "$work/errors" >&2; exit 1; }
done
