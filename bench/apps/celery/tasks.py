import csv, datetime, email.message, importlib, io, os, smtplib, subprocess, time, zoneinfo

from celery import Celery, chain, group
from celery.schedules import crontab
from celery.utils.log import get_task_logger

app = Celery("tasks", broker="redis://127.0.0.1/0", backend="redis://127.0.0.1/1")
app.conf.update(
    accept_content=["json", "yaml", "pickle", "msgpack"], result_accept_content=["json", "pickle", "yaml", "msgpack"],
    task_routes={"tasks.slow": "slow"}, timezone="Europe/Berlin", task_track_started=True, broker_connection_retry_on_startup=True,
    beat_schedule={"tick": {"task": "tasks.tick", "schedule": 5.0}, "night": {"task": "tasks.tick", "schedule": crontab(hour=3, minute=0)}},
)
log = get_task_logger(__name__)


@app.task
def tick():
    with open("/data/ticks", "a") as file:
        file.write("tick\n")


@app.task
def add(a, b):
    return a + b


@app.task
def total(numbers):
    return sum(numbers)


@app.task
def slow(seconds):
    time.sleep(seconds)
    return "slept"


@app.task(bind=True, max_retries=2, default_retry_delay=1)
def flaky(self):
    if self.request.retries < 2:
        raise self.retry(exc=OSError("not yet"))
    return f"after {self.request.retries} retries"


@app.task
def fail():
    raise ValueError("on purpose")


@app.task(time_limit=2)
def endless():
    while True:
        time.sleep(1)


@app.task
def when(moment, zone):
    return moment.astimezone(zoneinfo.ZoneInfo(zone)).isoformat()


@app.task
def report(kind, rows):
    """The module of a kind is looked up by its name."""
    return importlib.import_module(f"reports.{kind}").make(rows)


@app.task
def mail(to, language, name):
    from babel.dates import format_date
    from jinja2 import Environment, FileSystemLoader

    page = Environment(loader=FileSystemLoader("templates"), autoescape=True).get_template(f"mail_{language}.html")
    message = email.message.EmailMessage()
    message["From"], message["To"], message["Subject"] = "shop@shop.test", to, f"Grüße, {name}"
    message.set_content("text")
    message.add_alternative(page.render(name=name, day=format_date(datetime.date(2024, 6, 1), "full", locale=language)), subtype="html")
    if os.environ.get("MAIL_HOST"):
        with smtplib.SMTP(os.environ["MAIL_HOST"], 2525, timeout=5) as server:
            server.send_message(message)
    return message.as_string()


@app.task
def stamp():
    return subprocess.run("date -u -d @0 +%F | tr - /", shell=True, capture_output=True, text=True).stdout.strip()


@app.task
def sizes(path):
    return subprocess.check_output(["du", "-sb", path], text=True).split()[0]


@app.task
def fetch(url):
    import requests

    try:
        return requests.get(url, timeout=5).text
    except requests.exceptions.SSLError as error:
        return f"SSLError {error}"


@app.task
def secret(text):
    from cryptography.fernet import Fernet

    key = Fernet(Fernet.generate_key())
    return key.decrypt(key.encrypt(text.encode())).decode()


@app.task
def page(text):
    import markdown

    return markdown.markdown(text, extensions=["tables", "fenced_code", "codehilite", "toc"])
