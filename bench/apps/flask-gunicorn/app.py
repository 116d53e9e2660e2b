import hashlib
import io
import os
import zoneinfo
from datetime import datetime, timezone

from flask import Flask, Response, abort, jsonify, render_template, request
from flask_babel import Babel, format_currency, format_datetime, gettext

app = Flask(__name__)
babel = Babel(app, locale_selector=lambda: request.accept_languages.best_match(["en", "de", "ja"]))


@app.get("/health")
def health():
    return "fine"


@app.get("/")
def index():
    return render_template("index.html", title=gettext("Welcome"))


@app.get("/price/<float:amount>")
def price(amount):
    return format_currency(amount, "EUR")


@app.get("/now/<path:zone>")
def now(zone):
    try:
        there = datetime(2024, 7, 1, 12, tzinfo=timezone.utc).astimezone(zoneinfo.ZoneInfo(zone))
    except zoneinfo.ZoneInfoNotFoundError:
        abort(404)
    return there.isoformat()


@app.get("/picture.<kind>")
def picture(kind):
    from PIL import Image, ImageDraw, ImageFont

    image = Image.new("RGB", (60, 20), "white")
    ImageDraw.Draw(image).text((2, 2), "shop", font=ImageFont.load_default(), fill="black")
    out = io.BytesIO()
    image.save(out, kind.upper())
    return Response(out.getvalue(), content_type=f"image/{kind}")


@app.post("/markdown")
def markdown():
    import markdown as md

    return md.markdown(request.get_data(as_text=True), extensions=["fenced_code", "codehilite", "tables"])


@app.get("/fetch")
def fetch():
    import requests

    return requests.get(request.args["url"], verify=os.environ.get("AUTHORITY", True), timeout=5).text


@app.get("/orders")
def orders():
    from sqlalchemy import create_engine, text

    with create_engine("sqlite://").connect() as connection:
        return jsonify([list(row) for row in connection.execute(text("select 1, 'plum'"))])


@app.get("/token")
def token():
    from cryptography.fernet import Fernet

    box = Fernet(Fernet.generate_key())
    return box.decrypt(box.encrypt(b"sealed")).decode()


@app.get("/digest/<name>")
def digest(name):
    return hashlib.new(name, b"x").hexdigest()


@app.get("/encode/<codec>")
def encode(codec):
    return "日本".encode(codec).hex()


@app.get("/broken")
def broken():
    raise RuntimeError("on purpose")
