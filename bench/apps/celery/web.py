import datetime

from celery import group
from flask import Flask, jsonify, request

import tasks

app = Flask(__name__)


@app.get("/")
def index():
    return "tasks: " + ", ".join(sorted(name for name in tasks.app.tasks if name.startswith("tasks.")))


@app.post("/call/<name>")
def call(name):
    serializer = request.args.get("serializer", "json")
    result = tasks.app.send_task(f"tasks.{name}", args=request.get_json(), serializer=serializer)
    if "wait" in request.args:
        return {"result": result.get(timeout=20)}
    return {"id": result.id}


@app.get("/state/<identity>")
def state(identity):
    result = tasks.app.AsyncResult(identity)
    return {"state": result.state, "error": result.traceback}


@app.get("/sum/<int:n>")
def many(n):
    return {"result": (group(tasks.add.s(i, i) for i in range(n)) | tasks.total.s())().get(timeout=20)}


@app.get("/when")
def when():
    moment = datetime.datetime(2024, 7, 1, tzinfo=datetime.timezone.utc)
    return {"result": tasks.when.apply_async((moment, request.args["zone"]), serializer=request.args["serializer"]).get(timeout=20)}
