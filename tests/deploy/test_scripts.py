"""The scripts that run in the cluster, run here: against a server of files, and against the real server."""

import contextlib
import functools
import hashlib
import http.server
import json
import pathlib
import re
import socket
import ssl
import subprocess
import threading
import time
import urllib.request

import pytest

import chart
import chart_files

FETCH = chart.CHART / "files/fetch-model.sh"
SMOKE = chart.CHART / "files/smoke-test.sh"


class Hub(http.server.SimpleHTTPRequestHandler):
    """A hub of one repository that wants a token, understands ranges, and counts."""

    asked = []

    def log_message(self, *_):
        pass

    def do_GET(self):
        Hub.asked.append((self.path, self.headers.get("Range")))
        if self.headers.get("Authorization") != "Bearer let-me":
            self.send_error(401)
            return
        data = (pathlib.Path(self.directory) / self.path.lstrip("/")).read_bytes()
        begin = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").removesuffix("-"))
        self.send_response(206 if begin else 200)
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(data) - begin))
        self.end_headers()
        self.wfile.write(data[begin:])


@pytest.fixture
def hub(tmp_path):
    """(URL, lines for fetch-model, where to put files)"""
    files = {"config.json": b"{}", "part/weights.safetensors": bytes(range(256)) * 4096}
    root = tmp_path / "hub/a/m/resolve/r1"
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    Hub.asked.clear()
    handler = functools.partial(Hub, directory=tmp_path / "hub")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        lines = [f"{hashlib.sha256(data).hexdigest()}  {name}" for name, data in files.items()]
        (tmp_path / "models").mkdir()
        yield f"http://127.0.0.1:{server.server_port}/a/m/resolve/r1", lines, tmp_path / "models"
        server.shutdown()


def fetch(url, folder, lines, token="let-me"):
    script = FETCH.read_text(encoding="utf-8")
    return subprocess.run(["sh", "-c", script, "fetch-model", url, folder, *lines], capture_output=True, text=True,
                          env={"PATH": "/usr/bin:/bin", "TOKEN": token}, timeout=30, check=False)


def test_fetches_every_file_and_none_twice(hub):
    url, lines, folder = hub
    assert fetch(url, folder, lines).stdout == "config.json fetched\npart/weights.safetensors fetched\n"
    assert (folder / "part/weights.safetensors").stat().st_size == 1 << 20
    asked = len(Hub.asked)
    assert fetch(url, folder, lines).stdout == "config.json is there\npart/weights.safetensors is there\n"
    assert len(Hub.asked) == asked
    assert not list(folder.rglob("*.part"))


def test_goes_on_where_it_was_interrupted(hub):
    url, lines, folder = hub
    (folder / "part").mkdir()
    (folder / "part/weights.safetensors.part").write_bytes(bytes(range(256)) * 1000)
    assert fetch(url, folder, lines).returncode == 0
    assert ("/a/m/resolve/r1/part/weights.safetensors", "bytes=256000-") in Hub.asked


def test_refuses_what_is_not_what_was_asked_for(hub):
    url, lines, folder = hub
    done = fetch(url, folder, [lines[0].replace(lines[0][:64], "0" * 64)])
    assert done.returncode == 1
    assert "not " + "0" * 64 in done.stderr
    assert list(folder.iterdir()) == [], "a file with the wrong content stays"


def test_replaces_a_file_of_another_revision(hub):
    url, lines, folder = hub
    (folder / "config.json").write_text("old")
    assert fetch(url, folder, lines[:1]).returncode == 0
    assert (folder / "config.json").read_text() == "{}"


def test_fails_without_the_token(hub):
    url, lines, folder = hub
    done = fetch(url, folder, lines[:1], token="wrong")
    assert done.returncode != 0
    assert not (folder / "config.json").exists()


def test_a_volume_is_compared_with_its_checksums(tmp_path):
    data = b"weights"
    files = {"config.json": hashlib.sha256(data).hexdigest(), "part/b.safetensors": hashlib.sha256(data).hexdigest()}
    model = {"name": "m", "source": "pvc", "pvc": {"claimName": "c", "files": files}}
    spec = chart.one(chart.rendered(model=model), "Deployment")["spec"]["template"]["spec"]
    check = spec["initContainers"][0]

    def run():
        arguments = [str(tmp_path) if each == "/models/m" else each for each in check["args"]]
        return subprocess.run([*check["command"], *arguments], capture_output=True, text=True, timeout=30, check=False)
    for name in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    assert run().returncode == 0
    (tmp_path / "config.json").write_bytes(b"others")
    assert run().returncode != 0 and "config.json: FAILED" in run().stdout
    (tmp_path / "config.json").unlink()
    assert run().returncode != 0


def free_ports(count):
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [each.getsockname()[1] for each in sockets]


@contextlib.contextmanager
def serving(*flags, scheme="http"):
    port, grpc = free_ports(2)
    command = [chart_files.BINARY, "serve", "--backend", "fake", "--port", str(port), "--grpc-port", str(grpc), *flags]
    process = subprocess.Popen(command, cwd=chart.ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"{scheme}://127.0.0.1:{port}"
    trusting = ssl._create_unverified_context()
    try:
        for _ in range(200):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"{url}/health/ready", context=trusting if scheme == "https" else None)
                break
            assert process.poll() is None, "the server ended"
            time.sleep(0.05)
        yield url
    finally:
        process.kill()
        process.wait()


def smoke(url, *arguments):
    return subprocess.run(["sh", "-c", SMOKE.read_text(encoding="utf-8"), "smoke-test", url, *arguments],
                          capture_output=True, text=True, timeout=30, check=False)


def test_smoke_test_passes_on_a_server():
    with serving() as url:
        done = smoke(url)
    assert done.returncode == 0, done.stdout + done.stderr


def test_smoke_test_needs_a_server():
    assert smoke(f"http://127.0.0.1:{free_ports(1)[0]}").returncode != 0


def test_smoke_test_through_tls_with_a_key(tmp_path):
    keys = tmp_path / "keys"
    keys.write_text("# ours\nfirst-key\nsecond-key\n", encoding="utf-8")
    certificate, key = tmp_path / "tls.crt", tmp_path / "tls.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-days", "1", "-subj", "/CN=localhost", "-keyout", key, "-out", certificate],
                   check=True, capture_output=True)
    flags = ["--api-key-file", str(keys), "--tls-cert", str(certificate), "--tls-key", str(key)]
    with serving(*flags, scheme="https") as url:
        assert smoke(url).returncode != 0, "no key was needed"
        done = smoke(url, str(keys))
    assert done.returncode == 0, done.stdout + done.stderr


def test_health_check_of_the_image():
    script = chart.ROOT / "deploy/healthcheck.sh"
    with serving() as url:
        port = url.rsplit(":", 1)[1]
        assert subprocess.run([script], env={"BATUCADA_PORT": port}, timeout=10, check=False).returncode == 0
    done = subprocess.run([script], env={"BATUCADA_PORT": port}, timeout=10, check=False, capture_output=True)
    assert done.returncode != 0


def test_metrics_that_scale_are_there():
    scaling = {"keda": {"serverAddress": "http://prometheus.example.com:9090"}}
    objects = [chart.one(chart.rendered(autoscaling={"type": "hpa"}), "HorizontalPodAutoscaler"),
               chart.one(chart.rendered(autoscaling={"type": "keda", **scaling}), "ScaledObject")]
    wanted = set(re.findall(r"batucada_\w+", json.dumps(objects)))
    assert len(wanted) == 2
    with serving() as url, urllib.request.urlopen(f"{url}/metrics") as page:
        there = set(re.findall(r"^# TYPE (\w+)", page.read().decode(), re.MULTILINE))
    assert {name.removesuffix("_bucket") for name in wanted} <= there
