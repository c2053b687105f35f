"""A prompt of many megabytes is its own sender's business: streams and health checks beside it do not wait for it."""

import json
import queue
import random
import socket
import threading
import time

import numpy as np
import pytest
import tritonclient.grpc as triton

from server import PATIENCE_S, Server, wait_until

MEGABYTE = 1_000_000
# Other programs share the machine, and can only make a wait look longer than it is.
TRIES = 4


def prose(size):
    """Words that no cache of words has seen before."""
    generator = random.Random(size)
    words = ["".join(generator.choices("abcdefghijklmnopqrstuvwxyz", k=generator.randint(2, 9))) for _ in range(20_000)]
    return " ".join(generator.choices(words, k=size // 6))[:size]


@pytest.fixture(scope="module")
def narrow():
    """One thread for all connections and one for large requests, of which little may wait."""
    with Server("--backend", "fake", "--fake-step-time", "5ms", "--io-threads", "1", "--text-threads", "1",
                "--max-body-bytes", "40MB", "--max-text-backlog-bytes", "1MB") as server:
        yield server


class Ticker(threading.Thread):
    """Calls `tick` over and over, and keeps the longest time that one took."""

    def __init__(self, tick):
        super().__init__(daemon=True)
        self.tick, self.longest, self.count, self.ending = tick, 0, 0, False
        self.start()

    def run(self):
        while not self.ending:
            start = time.monotonic()
            if self.tick() is None:
                break
            self.longest = max(self.longest, time.monotonic() - start)
            self.count += 1

    def end(self):
        self.ending = True
        self.join(PATIENCE_S)


def time_of_work(server, body):
    """How long the server thinks about `body` once it has all of it, and what it says."""
    with socket.create_connection(("127.0.0.1", server.http_port), timeout=PATIENCE_S) as connection:
        connection.sendall(f"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
                           "Connection: close\r\n\r\n".encode() + body)
        start = time.monotonic()
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
        return time.monotonic() - start, answer


def test_others_do_not_wait(narrow):
    body = json.dumps({"prompt": prose(24 * MEGABYTE)}).encode()
    assert any(others_go_on(narrow, body) for _ in range(TRIES))


def others_go_on(narrow, body):
    """Beside a stream and health checks."""
    alone, answer = time_of_work(narrow, body)
    # Refused, but only a count of its tokens can tell.
    assert b"context_length_exceeded" in answer
    ask = {"prompt": "a", "stream": True, "max_tokens": 100_000}
    with narrow.http.stream("POST", "/v1/completions", json=ask) as stream:
        lines = stream.iter_lines()
        tokens = Ticker(lambda: next(lines, None))
        health = Ticker(lambda: narrow.http.get("/health").status_code == 200)
        wait_until(lambda: tokens.count > 20 and health.count > 5, "both to run")
        tokens.longest = health.longest = 0
        took, _ = time_of_work(narrow, body)
        tokens.end()
        health.end()
    print(f"{alone:.2f} s alone, {took:.2f} s beside gaps of {tokens.longest:.3f} s, health checks of "
          f"{health.longest:.3f} s")
    narrow.wait_until_free()
    return tokens.longest < alone / 2 and health.longest < alone / 2


def test_others_do_not_wait_for_a_large_request_of_a_grpc_stream(narrow):
    """Requests of such a stream are read on the same thread as connections."""
    model = narrow.http.get("/v1/models").json()["data"][0]["id"]
    answers = queue.Queue()

    def send(client, text):
        prompt = triton.InferInput("text_input", [1], "BYTES")
        prompt.set_data_from_numpy(np.array([text.encode()], dtype=object))
        start = time.monotonic()
        client.async_stream_infer(model, [prompt], request_id="large")
        result, error = answers.get(timeout=PATIENCE_S)
        assert "maximum context length" in str(error), (result, error)
        return time.monotonic() - start
    with triton.InferenceServerClient(f"127.0.0.1:{narrow.grpc_port}") as client:
        client.start_stream(lambda result, error: answers.put((result, error)))
        text = prose(24 * MEGABYTE)

        def checks_go_on():
            alone = send(client, text)
            health = Ticker(lambda: narrow.http.get("/health").status_code == 200)
            wait_until(lambda: health.count > 5, "health checks to run")
            health.longest = 0
            send(client, text)
            health.end()
            print(f"{alone:.2f} s alone, health checks of {health.longest:.3f} s beside it")
            return health.longest < alone / 2
        assert any(checks_go_on() for _ in range(TRIES))
    narrow.wait_until_free()


def test_too_many_at_once_are_told(narrow):
    body = {"prompt": prose(9 * MEGABYTE)}
    codes = []

    def send():
        response = narrow.http.post("/v1/completions", json=body)
        codes.append(response.json()["error"]["code"])
        assert response.status_code == 400 or response.headers["retry-after"]

    def all_at_once():
        threads = [threading.Thread(target=send) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE_S)
        return set(codes) == {"context_length_exceeded", "text_queue_full"}
    wait_until(all_at_once, "some to meet")
    assert len(codes) % 6 == 0
    assert narrow.metric('batucada_requests_rejected_total{reason="text_queue_full"}') >= codes.count("text_queue_full")
    assert narrow.complete(prompt="a")["usage"]["completion_tokens"] == 16


def test_a_large_request_streams_too(narrow):
    body = {"prompt": prose(MEGABYTE // 10), "stream": True, "max_tokens": 3, "return_token_ids": True}
    with narrow.http.stream("POST", "/v1/completions", json=body) as response:
        text = response.read().decode()
    assert text.endswith("data: [DONE]\n\n") and response.headers["content-type"].startswith("text/event-stream")


def test_a_large_requests_stream_is_kept_alive_between_its_tokens():
    ask = {"prompt": prose(MEGABYTE // 10), "stream": True, "max_tokens": 3}
    with Server("--backend", "fake", "--fake-step-time", "1s", "--keep-alive-period", "50ms") as server:
        with server.http.stream("POST", "/v1/completions", json=ask) as response:
            lines = [line for line in response.iter_lines() if line]
    assert lines[-1] == "data: [DONE]"
    assert any(line.startswith(":") for line in lines), lines


def test_a_large_answer_is_whole(narrow):
    text = prose(MEGABYTE // 4)
    answer = narrow.complete(prompt=text, echo=True, return_token_ids=True, max_tokens=2, prompt_logprobs=0)
    [choice] = answer["choices"]
    assert choice["text"].startswith(text) and len(choice["prompt_token_ids"]) == answer["usage"]["prompt_tokens"] > 40_000
    assert len(choice["prompt_logprobs"]) == len(choice["prompt_token_ids"])
    assert choice["prompt_token_ids"] == narrow.http.post("/tokenize", json={"prompt": text}).json()["tokens"]


def test_leaving_while_it_is_tokenized(narrow):
    with pytest.raises(Exception, match="timed out"):
        narrow.http.post("/v1/completions", json={"prompt": prose(24 * MEGABYTE)}, timeout=0.3)
    assert narrow.complete(prompt=prose(20_000), max_tokens=2)["usage"]["completion_tokens"] == 2
    narrow.wait_until_free()
