import subprocess
TOOLS = {"jpg": "jpegoptim --stdin --stdout -q -m60", "png": "optipng -quiet -stdout -", "gif": "gifsicle -O3", "webp": "cwebp -quiet -o - -- -", "svg": "rsvg-convert -f png"}


def optimise(body, args):
    return subprocess.run(TOOLS[args["kind"]].split(), input=body, capture_output=True, check=True).stdout
