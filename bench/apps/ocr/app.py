import subprocess
import tempfile

from flask import Flask, Response, request
from PIL import Image, ImageDraw, ImageFont

app = Flask(__name__)


def command(*words, data=None):
    done = subprocess.run(words, input=data, capture_output=True)
    if done.returncode:
        return Response(done.stderr, 422)
    return Response(done.stdout, mimetype="application/octet-stream")


@app.get("/")
def index():
    return "send a scan to /text"


@app.get("/sample")
def sample():
    """A picture of a text."""
    picture = Image.new("RGB", (1000, 200), "white")
    font = ImageFont.truetype(request.args.get("font", "DejaVuSans.ttf"), 60)
    ImageDraw.Draw(picture).text((30, 50), request.args["text"], font=font, fill="black")
    with tempfile.NamedTemporaryFile(suffix="." + request.args.get("kind", "png")) as file:
        picture.save(file.name)
        return Response(file.read())


@app.post("/text")
def text():
    with tempfile.NamedTemporaryFile() as file:
        file.write(request.data)
        file.flush()
        return command("./scan.sh", request.args.get("language", "eng"), request.args.get("format", "txt"), file.name)


TOOLS = {
    "pdf-text": ["pdftotext", "-layout", "IN", "-"], "pdf-html": ["pdftohtml", "-stdout", "-noframes", "IN"], "pdf-info": ["pdfinfo", "IN"],
    "pdf-fonts": ["pdffonts", "IN"], "pdf-svg": ["pdftocairo", "-svg", "IN", "-"], "pdf-ps": ["pdftops", "IN", "-"],
    "gs-png": ["gs", "-q", "-dSAFER", "-dBATCH", "-dNOPAUSE", "-sDEVICE=png16m", "-r72", "-sOutputFile=-", "IN"],
    "gs-tiff": ["gs", "-q", "-dSAFER", "-dBATCH", "-dNOPAUSE", "-sDEVICE=tiffg4", "-sOutputFile=-", "IN"],
    "gs-pdfa": ["gs", "-q", "-dPDFA=2", "-dBATCH", "-dNOPAUSE", "-sColorConversionStrategy=RGB", "-sDEVICE=pdfwrite", "-sOutputFile=-", "IN"],
    "gs-text": ["gs", "-q", "-dBATCH", "-dNOPAUSE", "-sDEVICE=txtwrite", "-sOutputFile=-", "IN"],
    "ps-pdf": ["ps2pdf", "IN", "-"], "qdf": ["qpdf", "--qdf", "IN", "-"], "locked": ["qpdf", "--encrypt", "user", "owner", "256", "--", "IN", "-"],
    "burst": ["pdftk", "IN", "dump_data"], "identify": ["identify", "-verbose", "IN"], "small": ["convert", "IN", "-resize", "50%", "jpg:-"],
}


@app.post("/tool/<name>")
def tool(name):
    with tempfile.NamedTemporaryFile() as file:
        file.write(request.data)
        file.flush()
        return command(*[file.name if word == "IN" else word for word in TOOLS[name]])


app.run("0.0.0.0", 5000)
