"""POST /convert?from=docx&to=pdf with a document, get it in another form."""
import http.server
import os
import pathlib
import subprocess
import tempfile
import urllib.parse

TYPES = {"pdf": "application/pdf", "html": "text/html", "csv": "text/csv", "txt": "text/plain"}
FILTERS = {"txt": "txt:Text (encoded):UTF8", "csv": "csv:Text - txt - csv (StarCalc):44,34,76,1", "html": "html:HTML"}


class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self, status, body, kind="text/plain"):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        if self.path == "/health":
            self.answer(200, b"ok\n")
        elif self.path == "/version":
            self.answer(200, subprocess.run(["soffice", "--version"], capture_output=True).stdout)
        else:
            self.answer(404, b"no such page\n")

    def do_POST(self):
        url = urllib.parse.urlparse(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if url.path != "/convert" or not {"from", "to"} <= query.keys():
            return self.answer(400, b"from and to are needed\n")
        with tempfile.TemporaryDirectory() as directory:
            source = pathlib.Path(directory, "document." + query["from"])
            source.write_bytes(body)
            form = query.get("filter") or FILTERS.get(query["to"], query["to"])
            command = ["soffice", f"-env:UserInstallation=file://{directory}/profile", "--headless", "--norestore", "--convert-to", form, "--outdir", directory]
            if query.get("infilter"):
                command.append("--infilter=" + query["infilter"])
            done = subprocess.run([*command, str(source)], capture_output=True, timeout=80, env={**os.environ, "LC_ALL": query.get("locale", "C.UTF-8")})
            target = source.with_suffix("." + query["to"])
            if query["from"] == query["to"] or not target.exists():
                return self.answer(422, done.stdout + done.stderr)
            self.answer(200, target.read_bytes(), TYPES.get(query["to"], "application/octet-stream"))


if __name__ == "__main__":
    http.server.ThreadingHTTPServer(("", 8000), Handler).serve_forever()
