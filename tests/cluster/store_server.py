"""What the small servers of the snapshot stores' tests have in common.

Each serves a folder on loopback until it is killed, and says its port on the first line
of its standard output.
"""

import http.server
import sys

CHUNK = 1 << 16


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"", headers=()):
        # What was not read of the request would be taken for the next one.
        if int(self.headers.get("Content-Length", 0)) != self.taken:
            self.close_connection = True
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def body(self):
        """In pieces; ends early when the client does."""
        left = int(self.headers.get("Content-Length", 0))
        while left:
            piece = self.rfile.read(min(CHUNK, left))
            if not piece:
                raise ConnectionError("the upload broke off")
            left -= len(piece)
            self.taken += len(piece)
            yield piece

    def handle_one_request(self):
        self.taken = 0
        try:
            super().handle_one_request()
        except ConnectionError:
            self.close_connection = True

    def handle_expect_100(self):
        # Who is not let in is told before the body is sent.
        return self.is_let_in() and super().handle_expect_100()

    def send_file(self, path):
        self.send_response(200)
        self.send_header("Content-Length", str(path.stat().st_size))
        self.end_headers()
        with open(path, "rb") as file:
            while piece := file.read(CHUNK):
                self.wfile.write(piece)


def serve(handler):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    print(server.server_port, flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        sys.exit(0)
