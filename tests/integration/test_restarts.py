"""Ends and restarts under load: nothing that was accepted is lost, and nothing that was killed is in the way."""

import signal
import socket
import threading

import httpx
import pytest

from proxy import Proxy, free_port
from server import PATIENCE_S, SANITIZED, Server, wait_until

FAKE = ("--backend", "fake", "--fake-step-time", "5ms")


class Load:
    """Clients that ask without pause; half of them stream. `kept`: each on a connection that it keeps."""

    def __init__(self, url, clients=8, max_tokens=30, kept=True):
        self.url, self.max_tokens = url, max_tokens
        self.limits = httpx.Limits(max_keepalive_connections=1 if kept else 0)
        self.answered, self.lost = 0, []
        self.stopping = threading.Event()
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.run, args=(i % 2 == 0,)) for i in range(clients)]
        for thread in self.threads:
            thread.start()

    def run(self, stream):
        body = {"prompt": "It was", "max_tokens": self.max_tokens, "stream": stream, "ignore_eos": True}
        with httpx.Client(base_url=self.url, timeout=PATIENCE_S, trust_env=False, limits=self.limits) as http:
            while not self.stopping.is_set():
                problem = self.ask(http, body)
                with self.lock:
                    self.answered += problem is None
                    if problem:
                        self.lost.append(problem)

    @staticmethod
    def ask(http, body):
        """What was wrong with the answer, or None."""
        try:
            answer = http.post("/v1/completions", json=body)
        except httpx.HTTPError as error:
            return repr(error)
        if answer.status_code != 200:
            return f"{answer.status_code} {answer.text}"
        whole = "data: [DONE]" in answer.text if body["stream"] else answer.json()["usage"]["completion_tokens"] == 30
        return None if whole and '"finish_reason":"length"' in answer.text else answer.text

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stopping.set()
        for thread in self.threads:
            thread.join()


def replica(port, grpc_port):
    return Server(*FAKE, "--port", str(port), "--grpc-port", str(grpc_port), "--shutdown-grace", "1s")


def test_a_rolling_restart_behind_a_proxy_loses_nothing():
    """The proxy keeps its connections to the replicas. Clients do not keep theirs: when nginx reads its configuration
    again it closes idle ones, and a request may cross that on its way."""
    ports = [(free_port(), free_port()) for _ in range(2)]
    replicas = [replica(*pair) for pair in ports]
    with Proxy([http for http, _ in ports]) as proxy, Load(proxy.url, kept=False) as load:
        for i, pair in enumerate(ports):
            before = load.answered
            wait_until(lambda: load.answered > before + 20, "requests to flow")
            replicas[i].stop()
            before = load.answered
            wait_until(lambda: load.answered > before + 20, "the other to carry on")
            replicas[i] = replica(*pair)
            served = 'batucada_requests_finished_total{reason="length"}'
            wait_until(lambda: replicas[i].metric(served) > 0, "the proxy to take it back")
    for server in replicas:
        server.stop()
    assert load.lost == [] and load.answered > 80


def test_unready_but_serving_until_balancers_have_noticed():
    server = Server(*FAKE, "--shutdown-grace", "5s")
    with Load(server.url, clients=4) as load:
        wait_until(lambda: load.answered > 4, "requests to flow")
        server.signal()
        wait_until(lambda: server.http.get("/health/ready").status_code == 503, "unready")
        # A new connection, and a request on it, are still welcome; the answer ends the connection.
        with httpx.Client(base_url=server.url, trust_env=False) as late:
            answer = late.post("/v1/completions", json={"prompt": "a", "max_tokens": 3})
        assert answer.status_code == 200 and answer.headers["connection"] == "close"
        load.stopping.set()
    server.expect_orderly_end()
    assert load.lost == []


def test_under_load_the_rest_ends_with_a_reason():
    server = Server("--backend", "fake", "--fake-step-time", "20ms", "--drain-timeout", "500ms")
    texts = []

    def stream():
        with httpx.Client(base_url=server.url, timeout=PATIENCE_S, trust_env=False) as http:
            texts.append(http.post("/v1/completions", json={"prompt": "a", "max_tokens": 50_000, "stream": True}).text)

    clients = [threading.Thread(target=stream) for _ in range(8)]
    for client in clients:
        client.start()
    wait_until(lambda: server.metric("batucada_requests_running") == 8, "eight streams")
    server.signal()
    for client in clients:
        client.join()
    assert all('"finish_reason":"shutdown"' in text and "shut down" in text for text in texts) and len(texts) == 8
    server.expect_orderly_end()


def test_killed_under_load_it_starts_again_at_once():
    """On the same ports and port file: nothing was left locked, and no connection of old is in the way."""
    port, grpc_port = free_port(), free_port()
    server = replica(port, grpc_port)
    with Load(server.url, clients=4) as load:
        wait_until(lambda: load.answered > 4, "requests to flow")
        server.signal(signal.SIGKILL)
        assert server.wait() == -signal.SIGKILL
        again = replica(port, grpc_port)
        before = load.answered
        wait_until(lambda: load.answered > before + 8, "requests to flow again")
    again.stop()


def test_a_second_signal_under_load_ends_it_at_once():
    server = Server("--backend", "fake", "--fake-step-time", "20ms", "--drain-timeout", "60s")
    with Load(server.url, clients=4, max_tokens=50_000) as load:
        wait_until(lambda: server.metric("batucada_requests_running") == 4, "four requests")
        server.signal()
        wait_until(lambda: "second signal" in server.log(), "the first to be noticed")
        server.signal()
        assert server.wait() == -signal.SIGTERM, "an orderly end would be 0"
        load.stopping.set()


@pytest.mark.skipif(SANITIZED, reason="sanitizers are slow")
def test_ready_within_two_seconds():
    """With the embedded model, on the CPU, where it has a core to itself. The best of some tries."""
    def time_to_ready():
        with Server("--backend", "cpu") as server:
            wait_until(lambda: server.http.get("/health/ready").status_code == 200, "ready")
            return server.cpu_seconds()
    took = []
    assert any(took.append(time_to_ready()) or took[-1] < 2 for _ in range(5)), took


def test_nobody_listens_before_it_is_ready():
    """A port that answers belongs to a server that serves."""
    port = free_port()
    refused, stop = [], threading.Event()

    def knock():
        while not stop.is_set():
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) != 0:
                    refused.append(True)
                    continue
            status = httpx.get(f"http://127.0.0.1:{port}/health/live", trust_env=False, timeout=PATIENCE_S).status_code
            assert status == 200
            return

    visitor = threading.Thread(target=knock)
    visitor.start()
    with Server(*FAKE, "--port", str(port), "--grpc-port", "0"):
        visitor.join(PATIENCE_S)
        stop.set()
    assert refused
