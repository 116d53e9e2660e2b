import os
import subprocess
import tempfile


def _file(body):
    f = tempfile.NamedTemporaryFile(suffix=".pdf", dir="/spool")
    f.write(body)
    f.flush()
    return f


def text(body, args):
    with _file(body) as f:
        return subprocess.check_output(["pdfto" + args.get("as", "text"), *(["-svg"] if args.get("as") == "cairo" else []), f.name, "-"])


def pages(body, args):
    with _file(body) as f:
        return subprocess.check_output(f"qpdf --show-npages {f.name} && pdfinfo {f.name} | grep -i '^Page size'", shell=True)


def encrypt(body, args):
    with _file(body) as f:
        return subprocess.check_output(["qpdf", "--encrypt", args["password"], args["password"], "256", "--", f.name, "-"])
