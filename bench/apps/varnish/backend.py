import gzip
import http.server
import itertools

count = itertools.count(1)


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        n = next(count)
        body = f"request {n} of {self.path} in {self.headers.get('X-Language', 'none')}\n".encode()
        if self.path == "/esi":
            body = b'<p>before <esi:include src="/part"/> after</p>\n'
        self.send_response(500 if self.path == "/broken" else 200)
        if self.path == "/private":
            self.send_header("Cache-Control", "private, max-age=0")
        else:
            self.send_header("Cache-Control", "max-age=1" if self.path == "/short" else "max-age=60")
        if self.path == "/zip":
            body = gzip.compress(body)
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET


http.server.ThreadingHTTPServer(("127.0.0.1", 8080), Handler).serve_forever()
