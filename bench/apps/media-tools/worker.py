import http.server
import importlib
import json
import os
import socketserver
import subprocess
import sys
import tempfile
import urllib.parse

JOBS = json.load(open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "jobs.json")))


def work(name, body, args):
    job = JOBS[name]
    if "module" in job:
        return getattr(importlib.import_module("lib." + job["module"]), name)(body, args)
    with tempfile.TemporaryDirectory(dir="/spool") as d:
        source = os.path.join(d, "in" + args.get("from", job.get("from", "")))
        target = os.path.join(d, "out" + args.get("to", job.get("to", "")))
        open(source, "wb").write(body)
        tool = JOBS[name].get("tool", name)
        command = [a.format(**{"in": source, "out": target, **job.get("defaults", {}), **args}) for a in job["args"]]
        run = subprocess.run([tool, *command], capture_output=True, cwd=d)
        if run.returncode not in job.get("codes", [0]):
            raise RuntimeError((run.stderr + run.stdout).decode(errors="replace"))
        return open(target, "rb").read() if os.path.exists(target) else run.stdout


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.reply(200, b"fine" if self.path == "/health" else json.dumps(sorted(JOBS)).encode())

    def do_POST(self):
        url = urllib.parse.urlparse(self.path)
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        try:
            self.reply(200, work(url.path.strip("/"), body, dict(urllib.parse.parse_qsl(url.query))))
        except KeyError as e:
            self.reply(404, str(e).encode())
        except Exception as e:
            self.reply(500, str(e).encode())

    def reply(self, code, body):
        self.send_response(code)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True


if sys.argv[1:2] == ["serve"]:
    Server(("", 8080), Handler).serve_forever()
elif len(sys.argv) > 1:
    sys.stdout.buffer.write(work(sys.argv[1], sys.stdin.buffer.read(), dict(a.split("=", 1) for a in sys.argv[2:])))
else:
    sys.exit("usage: worker.py serve | JOB [KEY=VALUE...]")
