"""What runs in the cluster beside the server, run here: against a Hub of our own, and against the real server."""

import contextlib
import hashlib
import json
import pathlib
import re
import socket
import ssl
import subprocess
import sys
import time
import urllib.request

import pytest

import chart
import chart_files

sys.path.insert(0, str(chart.ROOT / "tests/integration"))
import hub_server  # noqa: E402

SMOKE = chart.CHART / "files/smoke-test.sh"


FILES = {"config.json": (chart.ROOT / "models/samba-classics-18m/config.json").read_bytes(), "tokenizer.json": b"{}",
         "model.safetensors": bytes(range(256)) * 4096}


@pytest.fixture
def hub():
    with hub_server.Hub("a/m", dict(FILES), token="let-me") as server:
        yield server


def run_init_container(name, hub, folder, token="let-me", **download):
    """What the pod's init container of that name does, on this machine: the same program with the same arguments and
    environment, but for where the volume lies."""
    download = {"repository": "a/m", "revision": hub_server.COMMIT, "endpoint": hub.url, "tokenSecret": "hub", **download}
    rendering = chart.rendered(model={"name": "m", "source": "download", "download": download})
    spec = chart.one(rendering, "Deployment")["spec"]["template"]["spec"]
    container = next(each for each in spec["initContainers"] if each["name"] == name)
    environment = {each["name"]: each.get("value", token).replace("/hub", str(folder)) for each in container["env"]}
    program = pathlib.Path(chart_files.BINARY)
    path = f"{program.parent}:/usr/bin:/bin"
    return subprocess.run([*container.get("command", [program]), *container["args"]], capture_output=True, text=True,
                          env={"PATH": path, **environment}, timeout=300, check=False)


def test_a_pod_fetches_its_model_and_none_twice(hub, tmp_path):
    done = run_init_container("fetch-model", hub, tmp_path)
    assert done.returncode == 0, done.stderr
    snapshot = pathlib.Path(done.stdout.strip())
    assert {path.name: path.read_bytes() for path in snapshot.iterdir()} == FILES
    asked = len(hub.requests)
    assert run_init_container("fetch-model", hub, tmp_path).stdout == done.stdout
    assert len(hub.requests) == asked, "a commit that is there needs no network"


def test_a_pod_goes_on_where_it_was_interrupted(hub, tmp_path):
    blob = tmp_path / "models--a--m/blobs" / hashlib.sha256(FILES["model.safetensors"]).hexdigest()
    blob.parent.mkdir(parents=True)
    blob.with_name(blob.name + ".incomplete").write_bytes(FILES["model.safetensors"][:256_000])
    assert run_init_container("fetch-model", hub, tmp_path).returncode == 0
    assert [headers["Range"] for host, _, headers in hub.requests if host == "cdn"] == ["bytes=256000-"]


def test_a_pod_without_the_token_does_not_start(hub, tmp_path):
    done = run_init_container("fetch-model", hub, tmp_path, token="wrong")
    assert done.returncode != 0 and "HF_TOKEN" in done.stderr


def test_a_download_is_compared_with_its_checksums(hub, tmp_path):
    assert run_init_container("fetch-model", hub, tmp_path).returncode == 0
    right = {name: hashlib.sha256(data).hexdigest() for name, data in FILES.items()}
    done = run_init_container("check-model", hub, tmp_path, files=right)
    assert done.returncode == 0, done.stdout + done.stderr
    done = run_init_container("check-model", hub, tmp_path, files={**right, "tokenizer.json": "0" * 64})
    assert done.returncode != 0 and "tokenizer.json: FAILED" in done.stdout
    assert run_init_container("check-model", hub, tmp_path / "empty", files=right).returncode != 0


def test_a_volume_is_compared_with_its_checksums(tmp_path):
    data = b"weights"
    files = {"config.json": hashlib.sha256(data).hexdigest(), "part/b.safetensors": hashlib.sha256(data).hexdigest()}
    model = {"name": "m", "source": "pvc", "pvc": {"claimName": "c", "files": files}}
    spec = chart.one(chart.rendered(model=model), "Deployment")["spec"]["template"]["spec"]
    check = spec["initContainers"][0]

    def run():
        arguments = [str(tmp_path) if each == "/models/m" else each for each in check["args"]]
        return subprocess.run([*check["command"], *arguments], capture_output=True, text=True, timeout=300, check=False)
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
                          capture_output=True, text=True, timeout=300, check=False)


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
        assert subprocess.run([script], env={"BATUCADA_PORT": port}, timeout=300, check=False).returncode == 0
    done = subprocess.run([script], env={"BATUCADA_PORT": port}, timeout=300, check=False, capture_output=True)
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
