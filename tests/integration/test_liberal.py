"""What changes nothing is accepted; what no table knows is ignored and named, or refused with --strict-parameters."""

import pytest

from server import Server

OK = {"prompt": "a", "max_tokens": 2, "temperature": 0}
CHAT = {"messages": [{"role": "user", "content": "a"}], "max_tokens": 2, "temperature": 0}
IGNORED = "batucada_ignored_parameters_total"
# What clients and routers are known to send with every request, by who sends it.
SENT = {
    "guidellm": {"stream": True, "stream_options": {"include_usage": True, "continuous_usage_stats": True}},
    "vllm-router, sglang-router": {"no_stop_trim": False, "separate_reasoning": True, "stream_reasoning": True,
                                   "return_hidden_states": False, "include_reasoning": True, "ebnf": None,
                                   "regex": None, "min_tokens": None, "lora_path": None, "session_params": None},
    "vLLM": {"add_special_tokens": False, "spaces_between_special_tokens": True, "use_beam_search": False,
             "length_penalty": 1.0, "return_tokens_as_token_ids": False, "request_id": "r-1", "cache_salt": None,
             "structured_outputs": None, "mm_processor_kwargs": None, "kv_transfer_params": None, "priority": 0,
             "watermarking": False, "logprob_token_ids": None, "return_mm_kwargs": True, "return_token_offsets": False,
             "return_prompt_text": False, "routed_experts_prompt_start": 0, "thinking_token_budget": -1, "truncation_side": "left"},
    "SGLang": {"routed_experts_start_len": 0, "use_audio_in_video": False, "images_config": {}, "ngram_corpus_id": "books",
               "custom_labels": {"team": "a"}, "extra_key": "b", "return_meta_info": False, "stop_regex": None},
    "LiteLLM": {"timeout": 600, "num_retries": 2, "drop_params": True, "allowed_openai_params": ["tools"], "caching": False,
                "additional_drop_params": [], "custom_llm_provider": "openai", "litellm_trace_id": "t"},
    "llama.cpp": {"cache_prompt": True, "mirostat": 0, "mirostat_tau": 5.0, "dry_multiplier": 0.0, "typical_p": 1.0,
                  "xtc_probability": 0, "samplers": [], "grammar": "", "typ_p": 1, "timings_per_token": True,
                  "return_progress": True, "sse_ping_interval": 30, "verbose": False, "reasoning_budget_tokens": -1,
                  "reasoning_budget_message": "", "reasoning_in_content": False},
    "OpenAI": {"store": True, "metadata": {"topic": "demo"}, "service_tier": "auto", "user": "me", "verbosity": "medium",
               "tool_choice": "auto", "prompt_cache_retention": "24h"},
}


@pytest.fixture(scope="module")
def strict():
    with Server("--backend", "fake", "--strict-parameters") as server:
        yield server


@pytest.mark.parametrize("who", SENT)
@pytest.mark.parametrize(("path", "base"), [("/v1/completions", OK), ("/v1/chat/completions", CHAT)])
def test_known_neutral_values_are_accepted(strict, path, base, who):
    response = strict.http.post(path, json={**base, **SENT[who]})
    assert response.status_code == 200, response.text
    assert "x-ignored-parameters" not in response.headers


@pytest.mark.parametrize(("name", "value"), [("logprob_token_ids", [1]), ("watermarking", True), ("task", "title"),
                                             ("return_prompt_text", True), ("verbose", True)])
@pytest.mark.parametrize(("path", "base"), [("/v1/completions", OK), ("/v1/chat/completions", CHAT)])
def test_what_would_change_the_answer_is_refused_by_name(fast, path, base, name, value):
    error = fast.http.post(path, json={**base, name: value}).json()["error"]
    assert (error["param"], error["code"]) == (name, "unsupported_parameter")


@pytest.mark.parametrize(("path", "base"), [("/v1/completions", OK), ("/v1/chat/completions", CHAT)])
def test_unknown_names_are_ignored_and_named(fast, path, base):
    plain, before = fast.http.post(path, json=base).json(), fast.metric(IGNORED)
    response = fast.http.post(path, json={**base, "temprature": 1, "stream_options": None, "nothing": None})
    assert response.headers["x-ignored-parameters"] == "temprature"
    assert [one.get("text", one.get("message")) for one in response.json()["choices"]] == [
        one.get("text", one.get("message")) for one in plain["choices"]]
    with fast.http.stream("POST", path, json={**base, "stream": True, "what": 1, "stream_options": {"x": 1}}) as stream:
        named = stream.headers["x-ignored-parameters"]
        assert stream.read().endswith(b"data: [DONE]\n\n")
    assert sorted(named.split(", ")) == ["stream_options.x", "what"]
    assert fast.metric(IGNORED) == before + 3


def test_a_long_answer_names_them_too(fast):
    for ids in (1, 5000):
        response = fast.http.post("/detokenize", json={"tokens": [5] * ids, "misspelt": 1})
        assert response.status_code == 200 and response.headers["x-ignored-parameters"] == "misspelt"


def test_the_header_stays_short_and_clean(fast):
    names = {f"x{i}": 1 for i in range(100)}
    header = fast.http.post("/v1/completions", json={**OK, **names}).headers["x-ignored-parameters"]
    assert header == ", ".join([f"x{i}" for i in range(16)] + ["..."])
    header = fast.http.post("/v1/completions", json={**OK, "a\r\nset-cookie: b": 1, "é": 1, "y" * 100: 1})
    assert header.headers["x-ignored-parameters"] == "?, ?, ?" and "set-cookie" not in header.headers


@pytest.mark.parametrize(("path", "body", "name"), [
    ("/v1/completions", {**OK, "temprature": 1}, "temprature"),
    ("/v1/completions", {**OK, "stream": True, "stream_options": {"x": 1}}, "stream_options.x"),
    ("/v1/chat/completions", {**CHAT, "mesages": "a"}, "mesages"),
    ("/v1/chat/completions", {"messages": [{"role": "user", "content": "a", "nmae": "x"}]}, "messages[0].nmae"),
    ("/tokenize", {"prompt": "a", "x": 1}, "x"),
    ("/detokenize", {"tokens": [1], "x": 1}, "x"),
])
def test_strict_parameters_refuse_them(strict, path, body, name):
    response = strict.http.post(path, json=body)
    error = response.json()["error"]
    assert (response.status_code, error["param"], error["code"]) == (400, name, "unknown_parameter")


def test_request_id_in_the_body(fast):
    response = fast.http.post("/v1/completions", json={**OK, "request_id": "mine-1"})
    assert response.headers.get_list("x-request-id") == ["mine-1"]
    assert response.json()["id"] == "cmpl-mine-1"
    response = fast.http.post("/v1/chat/completions", json={**CHAT, "rid": "mine-2"}, headers={"x-request-id": "header"})
    assert response.headers.get_list("x-request-id") == ["header"] and response.json()["id"] == "chatcmpl-header"


def test_tokens_as_ids(fast):
    body = {**OK, "logprobs": 2, "return_token_ids": True, "return_tokens_as_token_ids": True}
    choice = fast.complete(**body)["choices"][0]
    assert choice["logprobs"]["tokens"] == [f"token_id:{one}" for one in choice["token_ids"]]
    assert all(name.startswith("token_id:") for top in choice["logprobs"]["top_logprobs"] for name in top)
    body = {**CHAT, "logprobs": True, "return_token_ids": True, "return_tokens_as_token_ids": True}
    choice = fast.http.post("/v1/chat/completions", json=body).json()["choices"][0]
    assert [one["token"] for one in choice["logprobs"]["content"]] == [f"token_id:{i}" for i in choice["token_ids"]]


def test_continuous_usage(fast):
    options = {"include_usage": True, "continuous_usage_stats": True}
    body = {**OK, "max_tokens": 5, "n": 2, "stream": True, "stream_options": options, "ignore_eos": True}
    stream = list(fast.openai().completions.create(model="", **{k: v for k, v in body.items() if k != "ignore_eos"},
                                                   extra_body={"ignore_eos": True}))
    assert all(chunk.usage is not None for chunk in stream)
    for index in (0, 1):
        told = [chunk.usage for chunk in stream if chunk.choices and chunk.choices[0].index == index]
        counts = [usage.completion_tokens for usage in told]
        assert counts == sorted(counts) and counts[-1] == 5
        assert all(usage.total_tokens == usage.prompt_tokens + usage.completion_tokens for usage in told)
        assert {usage.prompt_tokens for usage in told} == {stream[-1].usage.prompt_tokens}
    assert stream[-1].choices == [] and stream[-1].usage.completion_tokens == 10
    # As vLLM has it, there is none at all without include_usage.
    unasked = fast.http.post("/v1/completions", json={**body, "stream_options": {"continuous_usage_stats": True}}).text
    assert unasked.endswith("data: [DONE]\n\n") and '"usage"' not in unasked


@pytest.mark.parametrize("text, by_default", [({"prompt": "a"}, True), ({"content": "a"}, False), ({"messages": CHAT["messages"]}, False)])
def test_a_start_token_by_either_name(fast, text, by_default):
    """vLLM's add_special_tokens and llama.cpp's add_special are one, whatever the text is called."""
    def count(**asked):
        response = fast.http.post("/tokenize", json={**text, **asked})
        return response.json()["count"] if response.status_code == 200 else response.json()["error"]["param"]
    with_it, without = count(add_special=True), count(add_special=False)
    assert with_it == without + 1 and count() == (with_it if by_default else without)
    assert (count(add_special_tokens=True), count(add_special_tokens=False)) == (with_it, without)
    assert count(add_special=True, add_special_tokens=True) == with_it
    assert count(add_special=True, add_special_tokens=False) == "add_special"


def test_add_special_tokens(fast):
    def ids(path, body):
        told = fast.http.post(path, json={**body, "return_token_ids": True}).json()
        return told.get("prompt_token_ids") or told["choices"][0]["prompt_token_ids"]

    bare = fast.http.post("/tokenize", json={"prompt": "a", "add_special_tokens": False}).json()["tokens"]
    full = fast.http.post("/tokenize", json={"prompt": "a"}).json()["tokens"]
    assert ids("/v1/completions", {**OK, "add_special_tokens": False}) == bare
    assert ids("/v1/completions", OK) == full
    chat = ids("/v1/chat/completions", CHAT)
    assert ids("/v1/chat/completions", {**CHAT, "add_special_tokens": False}) == chat
    assert len(full) > len(bare) or full == bare
