"""What clients can do to a connection: malformed bytes, too many of them, too slowly, or none at all."""

import json
import socket
import time

import httpx
import pytest

from server import PATIENCE_S, Server, wait_until


@pytest.fixture(scope="module")
def strict():
    with Server("--backend", "fake", "--fake-step-time", "0", "--read-timeout", "2s", "--idle-timeout", "3s",
                "--max-body-bytes", "64KiB", "--max-header-bytes", "2KiB",
                "--stream-buffer-tokens", "512", "--write-timeout", "30s") as server:
        yield server


def connect(server, receive_bytes=None):
    connection = socket.socket()
    if receive_bytes:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    connection.settimeout(PATIENCE_S)
    connection.connect(("127.0.0.1", server.http_port))
    return connection


def exchange(server, data):
    """Sends `data` and reads until the server closes."""
    with connect(server) as connection:
        try:
            connection.sendall(data)
            return b"".join(iter(lambda: connection.recv(65536), b""))
        except ConnectionResetError:
            return b""


def post(body, headers=""):
    return f"POST /v1/completions HTTP/1.1\r\nHost: x\r\n{headers}Content-Length: {len(body)}\r\n\r\n{body}".encode()


@pytest.mark.parametrize("data", [
    b"\r\n\r\nrubbish\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"GET  / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x00\xa5\x01\x00",
    b"GET / HTTP/1.1\r\nHost: x\r\nBad header\r\n\r\n", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: abc\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", bytes(range(256)),
], ids=lambda data: repr(data[:24]))
def test_malformed(strict, data):
    answer = exchange(strict, data)
    assert answer.startswith(b"HTTP/1.1 400 "), answer
    assert json.loads(answer.split(b"\r\n\r\n", 1)[1])["error"]["code"] == "malformed_request"


def test_too_large(strict):
    assert exchange(strict, b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 4000 + b"\r\n\r\n").startswith(b"HTTP/1.1 431 ")
    response = strict.http.post("/v1/completions", content=b"a" * 100_000)
    assert response.status_code == 413 and "65536" in response.json()["error"]["message"]


def test_slow_loris(strict):
    start = time.monotonic()
    connections = [connect(strict) for _ in range(20)]
    for connection in connections:
        connection.sendall(b"GET / HT")
    assert strict.http.get("/health/ready").status_code == 200
    for connection in connections:
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
        assert answer.startswith(b"HTTP/1.1 408 ")
        connection.close()
    assert time.monotonic() - start < PATIENCE_S


def test_a_dribbling_body_times_out(strict):
    with connect(strict) as connection:
        connection.sendall(b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n".replace(b"100000", b"60000"))
        connection.sendall(b"\r\n")
        start = time.monotonic()
        try:
            while time.monotonic() - start < PATIENCE_S:
                connection.sendall(b" ")
                time.sleep(0.05)
        except OSError:
            pass
        assert time.monotonic() - start < 20


def test_idle_connections_are_closed(strict):
    with connect(strict) as connection:
        assert connection.recv(10) == b""


def test_too_many_connections():
    get = b"GET /version HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    endless = post('{"prompt": "a", "max_tokens": 1000000, "stream": true}')
    with Server("--backend", "fake", "--fake-step-time", "20ms", "--max-connections", "10") as server:
        server.http.close()
        connections = [connect(server) for _ in range(10)]
        for connection in connections:
            connection.sendall(endless)
            assert connection.recv(15) == b"HTTP/1.1 200 OK"
        for _ in range(3):
            refusal = exchange(server, get)
            assert refusal.startswith(b"HTTP/1.1 503 ") and b"x-request-id: " in refusal and b"retry-after: 1" in refusal
        assert exchange(server, get.replace(b"/version", b"/health/live")).startswith(b"HTTP/1.1 200 ")
        for connection in connections:
            connection.close()
        wait_until(lambda: exchange(server, get).startswith(b"HTTP/1.1 200 "), "room")
        with httpx.Client(base_url=server.url, trust_env=False) as client:
            server.http = client
            assert server.metric("batucada_http_connections_refused_total") >= 3  # and some while there was no room yet
            server.wait_for_metric("batucada_http_connections", 1)


def test_idle_connections_make_room():
    with Server("--backend", "fake", "--max-connections", "10") as server:
        connections = [connect(server) for _ in range(40)]
        assert exchange(server, b"GET /version HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").startswith(b"HTTP/1.1 200 ")
        # Those who say nothing wait a moment at the door.
        wait_until(lambda: server.metric("batucada_http_connections_evicted_total") >= 30, "the others' turn")
        assert server.metric("batucada_http_connections_refused_total") == 0
        for connection in connections[:30]:
            assert connection.recv(1) == b""


def test_pipelined_requests_are_answered_in_order(strict):
    asks = [json.dumps({"prompt": "a", "max_tokens": n, "temperature": 0}) for n in (30, 1, 15)]
    data = b"".join(post(ask) for ask in asks[:2]) + post(asks[2], "Connection: close\r\n")
    bodies = [part.split(b"\r\n\r\n", 1)[1] for part in exchange(strict, data).split(b"HTTP/1.1 200 OK")[1:]]
    assert [json.loads(body)["usage"]["completion_tokens"] for body in bodies] == [30, 1, 15]


def test_a_client_that_does_not_read_loses_its_own_request_only(strict):
    name = 'batucada_requests_finished_total{reason="overrun"}'
    before = strict.metric(name)
    with connect(strict, receive_bytes=4096) as connection:
        connection.sendall(post('{"prompt": "a", "max_tokens": 1000000, "stream": true}'))
        wait_until(lambda: strict.metric(name) == before + 1, "the request to end")
        assert strict.complete(prompt="a", max_tokens=3)["usage"]["completion_tokens"] == 3
    strict.wait_until_free()


def test_what_the_kernel_keeps_for_a_client_that_does_not_read_is_bounded():
    """An answer of half a megabyte, no faster than anybody reads: the kernel would take all of it if it were let."""
    with Server("--backend", "fake", "--fake-step-time", "1ms", "--stream-buffer-tokens", "256",
                "--write-timeout", "30s") as server, connect(server, receive_bytes=4096) as connection:
        connection.sendall(post('{"prompt": "a", "max_tokens": 3000, "stream": true}'))
        name = 'batucada_requests_finished_total{reason="%s"}'
        wait_until(lambda: server.metric(name % "overrun") + server.metric(name % "length") == 1, "its end")
        assert server.metric(name % "overrun") == 1
