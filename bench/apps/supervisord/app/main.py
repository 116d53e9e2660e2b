import csv
import subprocess

import markdown
import yaml
from flask import Flask, abort, flash, get_flashed_messages, redirect, render_template, request

with open("/srv/shop.yaml") as file:
    settings = yaml.safe_load(file)
app = Flask(__name__)
app.secret_key = settings["secret"]


@app.get("/")
def index():
    return render_template("index.html", settings=settings, said=get_flashed_messages())


@app.post("/orders")
def order():
    name = request.form["fruit"]
    if name not in settings["fruits"]:
        abort(404)
    with open("/data/orders.csv", "a", newline="") as file:
        csv.writer(file).writerow([name])
    flash(f"{name} ordered")
    return redirect("/")


@app.post("/notes")
def notes():
    return markdown.markdown(request.get_data(as_text=True), extensions=["tables", "fenced_code", "toc"])


@app.get("/admin")
def admin():
    return subprocess.run(["id", "-un"], capture_output=True, text=True).stdout


@app.post("/upload")
def upload():
    return {"size": len(request.files["file"].read())}


@app.get("/crash")
def crash():
    raise RuntimeError("on purpose")
