import io
import sys

from PIL import Image, ImageDraw


def main(kind):
    image = Image.new("RGB", (40, 20), "white")
    ImageDraw.Draw(image).text((2, 2), "paid", fill="red")
    out = io.BytesIO()
    image.save(out, kind)
    sys.stdout.buffer.write(out.getvalue())
