"""What one client can make the server do, and what is left to the others."""

import contextlib
import json
import threading

import pytest

from server import Server

MANY = {"prompt": ["a"] * 8, "n": 16, "ignore_eos": True, "stream": True}


@pytest.fixture(scope="module")
def small():
    with Server("--backend", "fake", "--fake-step-time", "10ms", "--max-sequences", "8", "--max-waiting", "200",
                "--default-max-tokens", "5") as server:
        yield server


def refusal(server, path="/v1/completions", **request):
    response = server.http.post(path, json=request)
    assert response.status_code == 400, response.text
    return response.json()["error"]


def test_a_few_bytes_do_not_ask_for_a_milliard_tokens(small):
    error = refusal(small, **{**MANY, "prompt": ["a"] * 64, "max_tokens": 1_000_000})
    assert error["param"] == "max_tokens" and "1024 choices ask for 1024000000 tokens" in error["message"]
    assert "--max-generated-tokens" in error["message"]


def test_a_request_of_many_choices_leaves_room_for_others(small):
    """Whatever two of them ask for, who has nothing finds a free sequence at once, and they wait behind their own kind."""
    request = small.http.stream("POST", "/v1/completions", json=MANY | {"max_tokens": 8000})
    with request as first:
        next(lines := first.iter_lines())  # kept, for the connection closes with it
        small.wait_for_metric("batucada_requests_running", 6)  # three quarters of eight
        with small.http.stream("POST", "/v1/completions", json={**MANY, "prompt": ["a"] * 4, "max_tokens": 8000}) as second:
            next(more := second.iter_lines())
            small.wait_for_metric("batucada_requests_running", 7)
            waiting = 8 * 16 + 4 * 16 - 7
            for _ in range(5):
                small.complete(prompt="a", max_tokens=1)
                assert small.metric("batucada_requests_waiting") == waiting, "nobody else was admitted before"
            refused = small.http.post("/v1/completions", json={**MANY, "max_tokens": 8, "stream": False})
            assert refused.status_code == 429 and "further choices" in refused.json()["error"]["message"]
            assert small.complete(prompt="a", max_tokens=1)["usage"]["completion_tokens"] == 1, "the queue is not theirs"
            assert next(lines) is not None and next(more) is not None, "they go on"
    small.wait_until_free()


def test_a_key_leaves_room_for_another():
    """Where keys tell clients apart, one of them does not have all sequences, however many requests it makes."""
    with Server("--backend", "fake", "--fake-step-time", "10ms", "--max-sequences", "8", "--api-key", "greedy",
                "--api-key", "modest") as server, contextlib.ExitStack() as streams:
        def ask(key, **request):
            return {"json": {"prompt": "a", "ignore_eos": True} | request, "headers": {"authorization": f"Bearer {key}"}}
        for _ in range(12):
            request = server.http.build_request("POST", "/v1/completions", **ask("greedy", max_tokens=8000, stream=True))
            streams.callback(server.http.send(request, stream=True).close)
        server.wait_for_metric("batucada_requests_running", 7)
        for _ in range(5):
            assert server.http.post("/v1/completions", **ask("modest", max_tokens=1)).status_code == 200
            assert server.metric("batucada_requests_waiting") == 5


def test_a_chat_that_says_nothing_ends(small):
    answer = small.http.post("/v1/chat/completions", json={"messages": [{"role": "user", "content": "a"}]}).json()
    assert answer["choices"][0]["finish_reason"] == "length" and answer["usage"]["completion_tokens"] == 5


def test_a_request_ends_in_time():
    with Server("--backend", "fake", "--fake-step-time", "10ms", "--max-request-time", "1s") as server:
        ended = server.http.post("/v1/completions", json={"prompt": "a", "max_tokens": 100_000, "ignore_eos": True})
        assert ended.json()["error"]["code"] == "deadline", ended.text
        with server.http.stream("POST", "/v1/completions",
                                json={"prompt": "a", "max_tokens": 100_000, "ignore_eos": True, "stream": True}) as stream:
            events = [line for line in stream.iter_lines() if line.startswith("data: ")]
        assert len(events) > 2 and json.loads(events[-1].removeprefix("data: "))["error"]["code"] == "deadline"
        assert server.metric('batucada_requests_finished_total{reason="deadline"}') == 2
        server.wait_until_free()


@pytest.mark.parametrize("contradiction", [
    {"allowed_token_ids": [100], "logit_bias": {"100": -100}},
    {"allowed_token_ids": [100, 101], "stop_token_ids": [100, 101], "min_tokens": 1},
], ids=["banned", "only ends"])
def test_a_request_that_leaves_nothing_to_draw_is_refused(small, contradiction):
    error = refusal(small, prompt="a", max_tokens=4, **contradiction)
    assert "allowed_token_ids leaves none to be drawn" in error["message"]
    assert error["param"] == "allowed_token_ids" and error["code"] == "nothing_to_draw"


def test_health_and_metrics_answer_while_texts_wait():
    """One thread for texts, which has one to work on for long, and a backlog that is full."""
    with Server("--backend", "fake", "--io-threads", "1", "--text-threads", "1", "--max-text-backlog-bytes", "3MB") as server:
        body = json.dumps({"prompt": "abcdefghijklmnopqrstuvwxyz" * 60_000})
        over = threading.Event()

        def loop():
            while not over.is_set():
                server.http.post("/tokenize", content=body, headers={"content-type": "application/json"})
        threads = [threading.Thread(target=loop) for _ in range(3)]
        for thread in threads:
            thread.start()
        def refused():
            return server.metric('batucada_requests_rejected_total{reason="text_queue_full"}')
        answered = 0
        while answered < 10 or refused() == 0:
            if server.metric("batucada_text_backlog_bytes") > 0:  # /metrics itself
                assert server.http.get("/health/live").status_code == 200
                assert server.complete(prompt="a", max_tokens=1)["usage"]["completion_tokens"] == 1
                answered += 1
        over.set()
        for thread in threads:
            thread.join()
        assert refused() > 0


def test_a_text_that_cannot_go_on_ends_with_an_error():
    """Only one token is allowed, and not twice: the first is drawn, and then there is none."""
    with Server("--backend", "cpu", "--max-sequences", "4") as server:
        def ids(text):
            return server.http.post("/tokenize", json={"prompt": text, "add_special_tokens": False}).json()["tokens"]
        word, token = next((letter * 2, ids(letter * 2)[0]) for letter in "qzxjQZXJ789~^|"
                           if len(ids(letter * 2)) == 2 and len(set(ids(letter * 2))) == 1)
        request = {"prompt": "a", "max_tokens": 8, "allowed_token_ids": [token], "bad_words": [word], "return_token_ids": True}
        failed = server.http.post("/v1/completions", json=request)
        assert failed.status_code == 400 and "no token could be drawn" in failed.json()["error"]["message"], failed.text
        assert failed.json()["error"]["param"] == "allowed_token_ids"
        with server.http.stream("POST", "/v1/completions", json=request | {"stream": True}) as stream:
            events = [json.loads(line.removeprefix("data: ")) for line in stream.iter_lines() if line.startswith("data: {")]
        drawn = [id for event in events if event.get("choices") for id in event["choices"][0]["token_ids"]]
        assert drawn == [token]
        assert "no token could be drawn" in events[-1]["error"]["message"]
        assert server.metric('batucada_requests_finished_total{reason="error"}') == 2
        assert server.complete(prompt="a", max_tokens=2)["usage"]["completion_tokens"] == 2, "nobody else is disturbed"
        server.wait_until_free()
