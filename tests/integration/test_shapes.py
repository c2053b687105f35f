"""Shapes that tools look for: best_of, fingerprints, names by pattern, overflow, probes, what is not offered."""

import json
import re

import httpx
import openai
import pytest

from server import MODEL, Server, wait_until

OK = {"prompt": "It was", "max_tokens": 6, "temperature": 1, "seed": 3, "logprobs": 0}
CHAT = {"messages": [{"role": "user", "content": "a"}], "max_tokens": 2}


def test_best_of_keeps_the_likeliest(cpu):
    all_texts = cpu.complete(**OK, n=4, ignore_eos=True)
    best = cpu.complete(**OK, n=2, best_of=4, ignore_eos=True)

    def mean(choice):
        scores = choice["logprobs"]["token_logprobs"]
        return sum(scores) / len(scores)
    wanted = sorted(all_texts["choices"], key=mean, reverse=True)[:2]
    assert [choice["text"] for choice in best["choices"]] == [choice["text"] for choice in wanted]
    assert [choice["index"] for choice in best["choices"]] == [0, 1]
    assert best["usage"] == all_texts["usage"], "all that was generated is counted"
    unasked = cpu.complete(**{**OK, "logprobs": None}, n=2, best_of=4, ignore_eos=True)["choices"]
    assert [choice["text"] for choice in unasked] == [choice["text"] for choice in wanted]
    assert {choice["logprobs"] for choice in unasked} == {None}


def test_best_of_of_several_prompts(cpu):
    each = [cpu.complete(**{**OK, "prompt": prompt}, best_of=3)["choices"][0]["text"] for prompt in ("It was", "Call me")]
    both = cpu.complete(**{**OK, "prompt": ["It was", "Call me"]}, best_of=3)["choices"]
    assert [choice["text"] for choice in both] == each and [choice["index"] for choice in both] == [0, 1]


def test_fingerprint(fast, cpu):
    def of(server):
        told = {server.complete(prompt="a", max_tokens=1)["system_fingerprint"],
                server.http.post("/v1/chat/completions", json=CHAT).json()["system_fingerprint"]}
        for path, body in (("/v1/completions", {"prompt": "a", "max_tokens": 2}), ("/v1/chat/completions", CHAT)):
            text = server.http.post(path, json={**body, "stream": True, "stream_options": {"include_usage": True}}).text
            events = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: {")]
            assert len(events) >= 2
            told |= {event["system_fingerprint"] for event in events}
        assert len(told) == 1
        return told.pop()
    assert re.fullmatch("fp_[0-9a-f]{16}", of(fast))
    assert of(fast) != of(cpu), "another device computes other numbers"


def test_names_by_pattern():
    with Server("--backend", "fake", "--served-model-name", "gpt-*", "--served-model-name", "mine") as server:
        assert [one["id"] for one in server.http.get("/v1/models").json()["data"]] == [MODEL.name, "mine"]
        for name in ("gpt-4o", "gpt-", "mine", MODEL.name):
            assert server.complete(prompt="a", max_tokens=1, model=name)["model"] == name
        for name in ("gp", "xgpt-", "gpt-" + "x" * 300):
            assert server.http.post("/v1/completions", json={"prompt": "a", "model": name}).status_code == 404
        assert server.complete(prompt="a", max_tokens=1)["model"] == MODEL.name
        assert server.http.get("/v1/models/gpt-4o").json()["id"] == "gpt-4o"
    with Server("--backend", "fake", "--served-model-name", "mine:latest", "--served-model-name", "plain") as server:
        for name in ("mine:latest", "plain", "plain:latest"):  # Ollama's clients write :latest behind names
            told = {"model": name, "prompt": "a", "stream": False, "options": {"num_predict": 1}}
            assert server.http.post("/api/generate", json=told).json().get("done"), name
            assert server.http.post("/api/show", json={"model": name}).status_code == 200, name
        assert server.http.post("/api/show", json={"model": "other:latest"}).status_code == 404
    with Server("--backend", "fake", "--served-model-name", "*") as server:
        assert server.complete(prompt="a", max_tokens=1, model="any/thing")["model"] == "any/thing"


@pytest.mark.parametrize(("path", "body", "tokens"), [
    ("/v1/completions", {"prompt": "a", "max_tokens": 1048576}, 1048576),
    ("/v1/chat/completions", {**CHAT, "max_tokens": 1048570}, 1048576),
])
def test_overflow_in_openais_words(fast, path, body, tokens):
    response = fast.http.post(path, json=body)
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (400, "context_length_exceeded")
    assert error["message"].startswith(f"This model's maximum context length is {tokens} tokens. However, you requested")


def test_the_range_that_chat_has(fast):
    error = fast.http.post("/v1/chat/completions", json={**CHAT, "max_tokens": 10**7}).json()["error"]
    assert error["param"] == "max_tokens" and "maximum context length is 1048576 tokens" in error["message"]
    error = fast.http.post("/v1/chat/completions", json={**CHAT, "max_tokens": -2}).json()["error"]
    assert error["param"] == "max_tokens" and "1 to 1048576" in error["message"]
    error = fast.http.post("/v1/completions", json={"prompt": "a", "max_tokens": 10**7}).json()["error"]
    assert error["code"] == "context_length_exceeded" and "maximum context length is 1048576" in error["message"]


def test_a_bound_of_minus_one_is_none(fast):
    body = {"messages": CHAT["messages"], "seed": 1, "stop": ["e"]}
    [none, absent] = [fast.http.post("/v1/chat/completions", json={**body, "max_tokens": most}).json() for most in (-1, None)]
    assert none["choices"] == absent["choices"] and none["choices"][0]["finish_reason"] == "stop"


def test_echo_alone_answers_with_the_prompt(fast):
    [choice] = fast.complete(prompt="Call me", max_tokens=0, echo=True)["choices"]
    assert (choice["text"], choice["finish_reason"], choice["logprobs"]) == ("Call me", "length", None)


def test_probes(fast):
    for method, path in (("GET", "/health_generate"), ("GET", "/ping"), ("POST", "/ping")):
        assert fast.http.request(method, path).json() == {"status": "ready"}
    for path in ("/get_model_info", "/model_info"):
        info = fast.http.get(path).json()
        assert info["model_path"] == MODEL.name and info["is_generation"] is True
    for path in ("/server_info", "/get_server_info"):
        assert fast.http.get(path).json()["served_model_name"] == MODEL.name
    for path in ("/health", "/v1/health"):
        assert fast.http.get(path).json() == {"status": "ok"}
    for path in ("/healthz", "/readyz"):
        assert fast.http.get(path).json() == {"status": "ready"}
    assert fast.http.get("/livez").status_code == 200
    assert fast.http.get("/is_sleeping").json() == {"is_sleeping": False}
    fast.wait_until_free()
    load = fast.http.get("/get_load").json()
    assert [(one["num_reqs"], one["num_waiting_reqs"]) for one in load] == [(0, 0)]
    assert fast.http.get("/v1/loads").json()["loads"] == load


def test_who_waits_is_load_too(slow):
    def full():
        [one] = slow.http.get("/get_load").json()
        return one if (one["num_running_reqs"], one["num_waiting_reqs"]) == (2, 1) else None
    with slow.at_work(3):
        assert wait_until(full, "two to run and one to wait")["num_reqs"] == 3
    slow.wait_until_free()


def test_sglangs_names_of_tokenizing(fast):
    told = fast.http.post("/v1/tokenize", json={"prompt": "Call me"}).json()
    assert told == fast.http.post("/tokenize", json={"prompt": "Call me"}).json()
    assert fast.http.post("/v1/detokenize", json={"tokens": told["tokens"][1:]}).json()["prompt"] == "Call me"


def test_tokenizer_info(fast):
    info = fast.http.get("/tokenizer_info").json()
    config = json.loads((MODEL / "tokenizer_config.json").read_text())
    assert {name: info[name] for name in config} == config


def test_tokenizer_info_takes_special_tokens_from_the_file_of_their_own_too(tmp_path):
    config = json.loads((MODEL / "tokenizer_config.json").read_text())
    del config["pad_token"]
    for file in MODEL.iterdir():
        (tmp_path / file.name).symlink_to(file)
    (tmp_path / "tokenizer_config.json").unlink()
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    special = {"pad_token": {"content": "<pad>", "lstrip": False}, "unk_token": "<unk>", "bos_token": "<not this one>"}
    (tmp_path / "special_tokens_map.json").write_text(json.dumps(special))
    with Server("--backend", "fake", "--model", str(tmp_path)) as server:
        info = server.http.get("/tokenizer_info").json()
        assert (info["pad_token"], info["unk_token"], info["bos_token"]) == ("<pad>", "<unk>", config["bos_token"])


def test_tokenizer_info_tells_the_default_of_several_templates(tmp_path):
    config = json.loads((MODEL / "tokenizer_config.json").read_text())
    config["chat_template"] = [{"name": "tool_use", "template": "{{ tools }}"},
                               {"name": "default", "template": "{{ messages[0].content }}"}]
    for file in MODEL.iterdir():
        (tmp_path / file.name).symlink_to(file)
    (tmp_path / "tokenizer_config.json").unlink()
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    with Server("--backend", "fake", "--model", str(tmp_path)) as server:
        assert server.http.get("/tokenizer_info").json()["chat_template"] == "{{ messages[0].content }}"
        told = server.http.post("/apply-template", json={"messages": CHAT["messages"]}).json()
        assert told["prompt"] == "a", "the one that is used"


@pytest.mark.parametrize("path", ["/v1/embeddings", "/v1/images/generations", "/v1/audio/speech", "/v1/files",
                                  "/v1/moderations", "/v1/messages/batches", "/rerank", "/v1/skills", "/flush_cache",
                                  "/abort_request", "/v1/chat/completions/render"])
def test_what_is_not_offered_is_said(fast, path):
    response = fast.http.post(path, json={})
    error = response.json()["error"]
    assert response.status_code == 404 and "does not offer" in error["message"] and path in error["message"]
    assert set(error) == ({"message", "type"} if path.startswith("/v1/messages") else {"message", "type", "param", "code"})


def test_not_offered_as_openais_client_sees_it(fast):
    with pytest.raises(openai.NotFoundError, match="does not offer embeddings"):
        fast.openai().embeddings.create(model="", input="a")


def test_the_fingerprint_is_of_the_files(tmp_path):
    def of(model):
        with Server("--backend", "fake", "--model", str(model), "--served-model-name", "m") as server:
            return httpx.get(f"{server.url}/get_model_info", trust_env=False).json()["weight_version"]
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in MODEL.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    same = of(copy)
    assert same == of(MODEL)
    weights = bytearray((copy / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (copy / "model.safetensors").write_bytes(weights)
    assert of(copy) != same
