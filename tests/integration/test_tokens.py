"""/tokenize, /detokenize, /load, and what goes around a request: ids, traces, timings."""

import json
import re
import time

import pytest

from server import ROOT, Server, wait_until

TEMPLATE = ROOT / "tests/integration/templates/chatml.jinja"


def post(server, path, **body):
    response = server.http.post(path, json=body)
    assert response.status_code == 200, response.text
    return response.json()


def test_there_and_back(fast):
    text = "It was a dark and stormy night; déjà vu, 漢字 🥁"
    ids = fast.complete(prompt=text, return_token_ids=True, max_tokens=1)["choices"][0]["prompt_token_ids"]
    answer = post(fast, "/tokenize", prompt=text, return_token_strs=True)
    assert answer["tokens"] == ids and answer["count"] == len(ids) == len(answer["token_strs"])
    assert answer["max_model_len"] == 1048576
    bare = post(fast, "/tokenize", prompt=text, add_special_tokens=False)
    assert bare["tokens"] == ids[1:] and bare["token_strs"] is None
    assert post(fast, "/detokenize", tokens=bare["tokens"])["prompt"] == text
    assert post(fast, "/detokenize", tokens=ids, skip_special_tokens=True)["prompt"] == text
    assert post(fast, "/detokenize", tokens=ids)["prompt"] != text
    assert post(fast, "/tokenize", prompt="", add_special_tokens=False) == {**bare, "tokens": [], "count": 0}
    assert post(fast, "/detokenize", tokens=[])["prompt"] == ""


def test_conversations():
    messages = [{"role": "user", "content": "Hello"}]
    with Server("--backend", "fake", "--chat-template", str(TEMPLATE)) as server:
        ids = post(server, "/tokenize", messages=messages)["tokens"]
        assert post(server, "/detokenize", tokens=ids)["prompt"] == (
            "<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n")
        closed = post(server, "/tokenize", messages=messages, add_generation_prompt=False)["tokens"]
        assert len(closed) < len(ids)
        chat = server.http.post("/v1/chat/completions", json={"messages": messages, "return_token_ids": True,
                                                              "max_tokens": 1}).json()
        assert chat["prompt_token_ids"] == ids


@pytest.mark.parametrize("path, body, param, message", [
    ("/tokenize", {}, "prompt", "missing"),
    ("/tokenize", {"prompt": 7}, "prompt", "string"),
    ("/tokenize", {"prompt": "a", "messages": [{"role": "user", "content": "a"}]}, "prompt", "one of them"),
    ("/tokenize", {"prompt": "a", "content": "b"}, "content", "give one of them"),
    *(("/tokenize", {"inputs": inputs, **prompt}, "inputs", "TEI's and TGI's name, and not this server's: give prompt")
      for inputs in ("a", ["a"]) for prompt in ({}, {"prompt": "a"})),
    ("/tokenize", {"text": "a"}, "text", "give prompt"),
    ("/detokenize", {"ids": [1]}, "ids", "give tokens"),
    ("/detokenize", {}, "tokens", "missing"),
    ("/detokenize", {"tokens": "a"}, "tokens", "list"),
    ("/detokenize", {"tokens": [1, 8192]}, "tokens[1]", "0 to 8191"),
    ("/detokenize", {"tokens": [-1]}, "tokens[0]", "0 to 8191"),
    ("/tokenize", {"prompt": "a", "tools": [{"type": "function"}]}, "tools[0].function", "must be an object with a name"),
], ids=str)
def test_bad_value(fast, path, body, param, message):
    response = fast.http.post(path, json=body)
    error = response.json()["error"]
    assert response.status_code == 400 and error["param"] == param and message in error["message"]


def test_unknown_model(fast):
    for path, body in (("/tokenize", {"prompt": "a"}), ("/detokenize", {"tokens": [1]})):
        response = fast.http.post(path, json={**body, "model": "gpt-4"})
        assert response.status_code == 404 and response.json()["error"]["code"] == "model_not_found"


def test_an_escaped_slash_parts_no_path(fast):
    for path, meant in (("/v1%2Fmodels", "/v1/models"), ("/v1/models%2fa", "/v1/models/a")):
        missing = fast.http.get(path)
        assert missing.status_code == 404 and missing.json()["error"]["message"] == (
            f"there is nothing at {path.replace('%2f', '%2F')}: is it {meant}?")
    assert fast.http.get("/%76%31/models").status_code == 200
    assert "the model 'a/b' does not exist" in fast.http.get("/v1/models/a%2Fb").json()["error"]["message"]


def test_load(slow):
    slow.wait_until_free()
    assert slow.http.get("/load").json()["server_load"] == 0
    with slow.http.stream("POST", "/v1/completions", json={"prompt": "a", "max_tokens": 1000, "stream": True, "n": 3}):
        wait_until(lambda: slow.http.get("/load").json()["running"] == 2, "two to run")
        load = slow.http.get("/load").json()
        assert load["server_load"] == 3 and load["waiting"] == 1 and load["slots_used"] == 2 == load["slots_total"]
    slow.wait_until_free()


TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def line_of(server, request_id):
    return wait_until(lambda: next((json.loads(line) for line in server.log().splitlines()
                                    if f'"id":"{request_id}"' in line), None), "the line")


def test_the_log_line_has_ids_counts_and_times(fast):
    fast.http.post("/v1/completions", json={"prompt": "a", "max_tokens": 7, "n": 2},
                   headers={"x-request-id": "traced-1", "traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"})
    line = line_of(fast, "traced-1")
    assert line["trace"] == TRACE and line["api"] == "completions" and line["choices"] == 2
    assert line["prompt_tokens"] == 2 and line["generated_tokens"] == 14 and line["finish"] == ["length"]
    assert line["total_ms"] >= line["decode_ms"] > 0 and line["prefill_ms"] > 0
    fast.http.post("/v1/completions", json={"prompt": "a"}, headers={"x-request-id": "traced-2", "traceparent": "nonsense"})
    assert "trace" not in line_of(fast, "traced-2")
    fast.http.post("/v1/completions", json={"prompt": 7}, headers={"x-request-id": "traced-3"})
    line = line_of(fast, "traced-3")
    assert (line["finish"], line["code"], line["param"]) == (["rejected"], "invalid_type", "prompt")


@pytest.mark.parametrize("sent", [b"two words", b'a"quote', b"back\\slash", b"a" * 129, b"\xc3\xa9", b""], ids=repr)
def test_an_unsound_request_id_is_replaced(fast, sent):
    """It would go into the log and back out: no quotes, no blanks, no end of it."""
    got = fast.http.get("/version", headers=[(b"x-request-id", sent)]).headers["x-request-id"]
    assert re.fullmatch("[0-9a-f]{32}", got)


def test_of_several_request_ids_the_first_counts(fast):
    got = fast.http.get("/version", headers=[(b"x-request-id", b"first"), (b"x-request-id", b"second")])
    assert got.headers.get_list("x-request-id") == ["first"]


def test_refusals_carry_the_request_id_too(fast):
    for method, path, body, status in (("GET", "/nothing", None, 404), ("GET", "/tokenize", None, 405),
                                       ("POST", "/tokenize", {"prompt": 7}, 400), ("OPTIONS", "/tokenize", None, 405)):
        response = fast.http.request(method, path, json=body, headers={"x-request-id": "refused-1"})
        assert (response.status_code, response.headers["x-request-id"]) == (status, "refused-1"), path


@pytest.mark.parametrize("sent", [f"00-{TRACE.upper()}-00f067aa0ba902b7-01", f"00-{'0' * 32}-00f067aa0ba902b7-01",
                                  f"ff-{TRACE}-00f067aa0ba902b7-01", f"00-{TRACE}-00f067aa0ba902b7", "00-" + "-" * 52], ids=str)
def test_an_unsound_traceparent_is_no_trace(fast, sent):
    name = f"untraced-{abs(hash(sent))}"
    answer = fast.http.post("/v1/completions", json={"prompt": "a"}, headers={"x-request-id": name, "traceparent": sent})
    assert answer.status_code == 200 and "trace" not in line_of(fast, name)


def test_server_timing(slow):
    slow.wait_until_free()
    start = time.monotonic()
    response = slow.http.post("/v1/completions", json={"prompt": "a", "max_tokens": 10, "n": 3})
    took_ms = 1000 * (time.monotonic() - start)
    timing = dict(re.findall(r"(\w+);dur=([\d.]+)", response.headers["server-timing"]))
    assert list(timing) == ["queue", "prefill", "decode"]
    queue, prefill, decode = (float(value) for value in timing.values())
    # Two of three run at once; the third waits for one of them to make its ten tokens, 20 ms each.
    assert queue > 150 and decode > 150 and prefill > 10 and queue + prefill + decode < took_ms + 100
    assert "server-timing" not in slow.http.post("/v1/completions", json={"prompt": "a", "stream": True}).headers


def test_keep_alive_comments():
    with Server("--backend", "fake", "--fake-step-time", "500ms", "--keep-alive-period", "100ms") as server:
        text = server.http.post("/v1/completions", json={"prompt": "a", "max_tokens": 2, "stream": True}).text
        assert text.count(": keep-alive\n\n") >= 4 and text.endswith("data: [DONE]\n\n")
        chunks = list(server.openai().completions.create(model="", prompt="a", max_tokens=2, stream=True))
        assert chunks[-1].choices[0].finish_reason == "length", "clients skip comments"
