"""A small collector of OTLP over HTTP: keeps what it gets, and answers as told."""

import http.server
import json
import threading


class Collector:
    def __init__(self):
        self.bodies = []      # of accepted requests, parsed
        self.requests = []    # (path, content type, status) of all
        self.status = 200     # what it answers with
        self.hold = threading.Event()  # cleared: it does not answer
        self.hold.set()
        collector = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                collector.hold.wait()
                status = collector.status
                collector.requests.append((self.path, self.headers["content-type"], status))
                if status == 200:
                    collector.bodies.append(json.loads(body))
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def spans(self):
        return [span for body in list(self.bodies) for resource in body["resourceSpans"]
                for scope in resource["scopeSpans"] for span in scope["spans"]]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.hold.set()
        self.server.shutdown()
        self.server.server_close()


def attributes(span):
    """{key: value} of a span or resource, with protobuf's JSON undone."""
    def plain(value):
        [(kind, inner)] = value.items()
        if kind == "arrayValue":
            return [plain(item) for item in inner["values"]]
        return int(inner) if kind == "intValue" else inner
    return {attribute["key"]: plain(attribute["value"]) for attribute in span["attributes"]}
