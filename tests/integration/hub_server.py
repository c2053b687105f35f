"""A Hub on 127.0.0.1: the routes by which models are fetched from huggingface.co, with faults on request. Large files are
redirected to a second host, as there."""

import hashlib
import http.server
import json
import re
import threading
import time
import urllib.parse

COMMIT = "1234567890abcdef1234567890abcdef12345678"
LARGE = (".safetensors", ".bin", ".pth")


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def git_sha1(content):
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


class Hub:
    """`files`: {name: bytes} of one repository. `faults`: {file: list of what happens to its next answers}, each one of
    ("cut", n)  the connection ends after n bytes of the body
    ("status", n)  the answer is that
    ("wrong",)  other bytes of the same length
    ("longer",)  more bytes than listed
    ("whole",)  ranges are passed over
    "listing" is a file, too. `token`: who does not bear it gets 401."""

    def __init__(self, repository="acme/samba", files=None, revisions=("main",), token=None, gated=False):
        self.repository, self.files, self.revisions, self.token, self.gated = repository, files or {}, revisions, token, gated
        self.commit = COMMIT
        self.faults = {}
        self.requests = []  # (host, path, headers)
        self.moments = []  # of each request, in seconds
        self.lock = threading.Lock()
        self.gate = None  # an event that bodies of large files wait for
        self.servers = [self._serve("hub"), self._serve("cdn")]
        self.url, self.cdn = (f"http://127.0.0.1:{server.server_port}" for server in self.servers)

    def _serve(self, host):
        hub = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                with hub.lock:
                    hub.requests.append((host, self.path, dict(self.headers)))
                    hub.moments.append(time.monotonic())
                hub.answer(host, self)

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        return server

    def close(self):
        for server in self.servers:
            server.shutdown()
            server.server_close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def paths(self, host):
        with self.lock:
            return [path for where, path, _ in self.requests if where == host]

    def fault_of(self, name):
        with self.lock:
            waiting = self.faults.get(name)
            return waiting.pop(0) if waiting else None

    def listing(self):
        siblings = []
        for name, content in self.files.items():
            entry = {"rfilename": name, "size": len(content), "blobId": git_sha1(content)}
            if name.endswith(LARGE):
                entry["lfs"] = {"sha256": sha256(content), "size": len(content), "pointerSize": 134}
            siblings.append(entry)
        return {"id": self.repository, "sha": self.commit, "private": False, "gated": False, "siblings": siblings}

    def answer(self, host, request):
        path = urllib.parse.urlsplit(request.path).path
        if host == "cdn":
            return self.send_file(request, path.rsplit("/", 1)[-1])
        listed = path.startswith("/api/") and self.gated  # by everybody
        if self.token and not listed and request.headers.get("Authorization") != f"Bearer {self.token}":
            code = "GatedRepo" if self.gated else "RepoNotFound"
            return self.send(request, 401, b"Invalid username or password.", {"X-Error-Code": code})
        api = re.fullmatch(rf"/api/models/{self.repository}/revision/(.+)", path)
        if api:
            if urllib.parse.unquote(api[1]) not in (*self.revisions, self.commit):
                return self.send(request, 404, b"Invalid rev id", {"X-Error-Code": "RevisionNotFound"})
            fault = self.fault_of("listing")
            if fault and fault[0] == "status":
                return self.send(request, fault[1], b"", {"Retry-After": "1"})
            return self.send(request, 200, json.dumps(self.listing()).encode())
        file = re.fullmatch(rf"/{self.repository}/resolve/{self.commit}/(.+)", path)
        if not file or file[1] not in self.files:
            return self.send(request, 404, b"", {"X-Error-Code": "RepoNotFound"})
        if file[1].endswith(LARGE):
            return self.send(request, 302, b"see there", {"Location": f"{self.cdn}/storage/{file[1]}"})
        self.send_file(request, file[1])

    def send(self, request, status, content, headers=None):
        request.send_response(status)
        for name, value in (headers or {}).items():
            request.send_header(name, value)
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        request.wfile.write(content)

    def send_file(self, request, name):
        content, fault = self.files[name], self.fault_of(name)
        if fault and fault[0] == "status":
            return self.send(request, fault[1], b"")
        first = int(re.fullmatch(r"bytes=(\d+)-", request.headers.get("Range", "bytes=0-"))[1])
        if fault and fault[0] == "whole":
            first = 0
        if first > 0 and first >= len(content):
            return self.send(request, 416, b"")
        body = content[first:]
        if fault and fault[0] == "wrong":
            body = bytes(byte ^ 1 for byte in body)
        if fault and fault[0] == "longer":
            body += b"more"
        request.send_response(206 if first else 200)
        if first:
            request.send_header("Content-Range", f"bytes {first}-{len(content) - 1}/{len(content)}")
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        if fault and fault[0] == "cut":
            request.wfile.write(body[:fault[1]])
            request.wfile.flush()
            request.connection.close()
            request.close_connection = True
            return
        if self.gate is not None:
            self.gate.wait()
        request.wfile.write(body)
