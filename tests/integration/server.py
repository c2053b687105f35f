"""A batucada server as a child process, on ports of its own choosing."""

import contextlib
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import tempfile
import time

import httpx
import openai

from patience import PATIENCE_S

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("BATUCADA_BINARY", str(ROOT / "build/release/bin/batucada"))
MODEL = ROOT / "models/samba-classics-18m"
SANITIZED = any(mark in open(BINARY, "rb").read() for mark in (b"__asan_init", b"__tsan_init"))


def wait_until(condition, what, patience_s=PATIENCE_S):
    deadline = time.monotonic() + patience_s
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"waited {patience_s} s in vain for: {what}"
        time.sleep(0.01)


def run(*arguments, env=None, timeout=PATIENCE_S, **process):
    """Runs the program to its end. `process`: options of subprocess.run."""
    return subprocess.run([BINARY, *arguments], capture_output=True, text=True, timeout=timeout, cwd=ROOT,
                          env={**os.environ, **(env or {})}, check=False, **process)


class Server:
    def __init__(self, *flags, env=None, **process):
        """`process`: options of subprocess.Popen."""
        self.folder = tempfile.TemporaryDirectory()
        self.log_path = pathlib.Path(self.folder.name) / "log"
        port_file = pathlib.Path(self.folder.name) / "ports"
        ports = () if "--port" in flags else ("--port", "0", "--grpc-port", "0")
        grace = () if "--shutdown-grace" in flags else ("--shutdown-grace", "0")
        command = [BINARY, "serve", "--model", str(MODEL), *ports, *grace, "--port-file", str(port_file), *flags]
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **(env or {})},
                                            **{"stdout": log, "stderr": subprocess.STDOUT, **process})
        wait_until(lambda: port_file.exists() or self.process.poll() is not None, "the port file")
        assert self.process.poll() is None, f"the server ended at once:\n{self.log()}"
        ports = dict(line.split() for line in port_file.read_text().splitlines())
        self.kv_events_port, self.kv_replay_port = ports.get("kv-events"), ports.get("kv-events-replay")
        self.health_port = int(ports["health"]) if "health" in ports else None
        self.http_port, self.grpc_port = int(ports["http"]), int(ports["grpc"]) if "grpc" in ports else None
        self.url = f"http://127.0.0.1:{self.http_port}"
        self.http = httpx.Client(base_url=self.url, timeout=PATIENCE_S, trust_env=False)

    def log(self):
        return self.log_path.read_text(errors="replace")

    def openai(self, **options):
        return openai.OpenAI(base_url=f"{self.url}/v1", api_key="none", timeout=PATIENCE_S, max_retries=0,
                             http_client=httpx.Client(trust_env=False), **options)

    def async_openai(self, **options):
        return openai.AsyncOpenAI(
            base_url=f"{self.url}/v1", api_key="none", timeout=PATIENCE_S, max_retries=0,
            http_client=httpx.AsyncClient(trust_env=False, limits=httpx.Limits(max_connections=None)), **options)

    def complete(self, **body):
        """POST /v1/completions; the answer's JSON. Asserts that it is one."""
        response = self.http.post("/v1/completions", json=body)
        assert response.status_code == 200, response.text
        return response.json()

    def metrics(self):
        """{'name{labels}': value}"""
        return parse_metrics(self.http.get("/metrics").text)

    def metric(self, name):
        return self.metrics()[name]

    def wait_for_metric(self, name, value):
        wait_until(lambda: self.metric(name) == value, f"{name} to be {value}, and not {self.metric(name)}")

    def cpu_seconds(self):
        """What it has computed so far: unlike time on a clock, hardly longer where other programs share the machine."""
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @contextlib.contextmanager
    def at_work(self, count=1, key=None, **body):
        """While `count` texts without an end are written or wait, for clients who want the whole: nothing but leaving ends
        them, however slow this machine is (a stream that nobody reads would end by itself). Yields the connections."""
        content = json.dumps({"prompt": "a", "max_tokens": 500_000, "ignore_eos": True} | body).encode()
        rights = f"Authorization: Bearer {key}\r\n" if key else ""
        head = f"POST /v1/completions HTTP/1.1\r\nHost: x\r\n{rights}Content-Length: {len(content)}\r\n\r\n".encode()
        with contextlib.ExitStack() as stack:
            connections = [stack.enter_context(socket.create_connection(("127.0.0.1", self.http_port)))
                           for _ in range(count)]
            for connection in connections:
                connection.sendall(head + content)
            yield connections

    def wait_until_free(self):
        """Until nothing runs, waits or holds memory."""
        names = ["requests_running", "requests_waiting", "requests_parked", "recurrent_slots_used", "kv_blocks_used"]

        def free():
            metrics = self.metrics()
            return all(metrics[f"batucada_{name}"] == 0 for name in names)
        wait_until(free, "all slots and blocks to return")

    def signal(self, number=signal.SIGTERM):
        self.process.send_signal(number)

    def wait(self, timeout=PATIENCE_S):
        """The exit code, once it has ended."""
        return self.process.wait(timeout)

    def stop(self):
        """Ends it in order; fails if it does not, or if a sanitizer has something to say."""
        self.signal()
        self.expect_orderly_end()

    def expect_orderly_end(self):
        """After a signal."""
        self.http.close()
        try:
            code = self.wait()
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        log = self.log()
        self.folder.cleanup()
        assert code == 0, f"exit code {code}\n{log}"

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind is None:
            self.stop()
        else:
            self.process.kill()
            self.process.wait()


def parse_metrics(text):
    return {name: float(value) for name, value in re.findall(r"^([a-z_]+(?:\{[^}]*\})?) (\S+)$", text, re.MULTILINE)}


def six_tokens(server, prompt="It was a", **more):
    """What /v1/completions answers with six tokens, and their ids: what other dialects' answers are held against."""
    body = {"prompt": prompt, "max_tokens": 6, "temperature": 0, "return_token_ids": True, **more}
    return server.complete(**body)["choices"][0]
