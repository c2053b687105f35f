"""Every wrong type and limit gets a 4xx that names the parameter, and leaves the server as it was."""

import openai
import pytest

from server import MODEL, Server, run

OK = {"prompt": "a"}
DEEP = "[" * 100_000

TABLE = [
    # body, the parameter that the error names, a part of its message
    ({}, "prompt", "missing"),
    ({"prompt": 7}, "prompt", "must be"),
    ({"prompt": []}, "prompt", "empty"),
    ({"prompt": [[]]}, "prompt", "at least one token"),
    ({"prompt": [1, "a"]}, "prompt[1]", "token id"),
    ({"prompt": [8192]}, "prompt[0]", "0 to 8191"),
    ({"prompt": [-1]}, "prompt[0]", "token id"),
    ({"prompt": ["a"] * 65}, "prompt", "at most 64"),
    ({**OK, "model": 1}, "model", "string"),
    ({**OK, "max_tokens": 0}, "max_tokens", "at least 1"),
    ({**OK, "max_tokens": -1}, "max_tokens", "-1"),
    ({**OK, "max_tokens": 16.5}, "max_tokens", "an integer, not the number 16.5"),
    ({**OK, "max_tokens": 1e300}, "max_tokens", "is 1e+300: too large for a 64-bit integer"),
    ({**OK, "seed": -(1 << 63) - 1}, "seed", "too small for a 64-bit integer"),
    ({**OK, "temperature": 2.0000001}, "temperature", "is 2.0000001: it must be at least 0 and at most 2"),
    ({**OK, "max_tokens": "9"}, "max_tokens", "integer"),
    ({**OK, "max_tokens": 10**9}, "max_tokens", "1048576"),
    ({**OK, "max_tokens": 1048576}, "max_tokens", "This model's maximum context length is 1048576 tokens. However"),
    ({**OK, "max_tokens": 2**63}, "max_tokens", "too large"),
    ({**OK, "n": 0}, "n", "1 to 16"),
    ({**OK, "n": 17}, "n", "1 to 16"),
    ({**OK, "n": "2"}, "n", "integer"),
    ({**OK, "best_of": 1, "n": 2}, "best_of", "n is 2"),
    ({**OK, "best_of": 17}, "best_of", "1 to 16"),
    ({**OK, "best_of": 2, "stream": True}, "best_of", "n is 1"),
    ({**OK, "temperature": -1}, "temperature", "at least 0"),
    ({**OK, "temperature": 2.5}, "temperature", "at most 2"),
    ({**OK, "temperature": "hot"}, "temperature", "number"),
    ({**OK, "top_p": -0.1}, "top_p", "at least 0"),
    ({**OK, "top_p": 1.5}, "top_p", "at most 1"),
    ({**OK, "top_k": -2}, "top_k", "-2"),
    ({**OK, "top_k": 1.5}, "top_k", "integer"),
    ({**OK, "min_p": 2}, "min_p", "at most 1"),
    ({**OK, "seed": "x"}, "seed", "integer"),
    ({**OK, "stop": 7}, "stop", "string"),
    ({**OK, "stop": [""]}, "stop[0]", "empty"),
    ({**OK, "stop": ["x"] * 17}, "stop", "at most 16"),
    ({**OK, "stop": ["x" * 1025]}, "stop[0]", "at most 1024"),
    ({**OK, "stop_token_ids": [8192]}, "stop_token_ids[0]", "8191"),
    ({**OK, "stop_token_ids": "7"}, "stop_token_ids", "list"),
    ({**OK, "logprobs": 21}, "logprobs", "0 to 20"),
    ({**OK, "logprobs": True}, "logprobs", "integer"),
    ({**OK, "prompt_logprobs": 1, "stream": True}, "prompt_logprobs", "stream"),
    ({**OK, "prompt_logprobs": 0, "stream": True}, "prompt_logprobs", "stream"),
    ({**OK, "echo": "yes"}, "echo", "true or false"),
    ({**OK, "stream": 1}, "stream", "true or false"),
    ({**OK, "stream_options": {"include_usage": True}}, "stream_options", "stream"),
    ({**OK, "request_id": "a b"}, "request_id", "without spaces"),
    ({**OK, "request_id": "a", "rid": "b"}, "rid", "differ"),
    ({**OK, "spaces_between_special_tokens": False, "skip_special_tokens": False}, "spaces_between_special_tokens",
     "not supported"),
    ({**OK, "use_beam_search": True}, "use_beam_search", "is true, which is not supported"),
    ({**OK, "length_penalty": 0.5}, "length_penalty", "is 0.5, which is not supported"),
    ({**OK, "mirostat": 2}, "mirostat", "is 2, which is not supported by this server: leave it out or set it to 0"),
    ({**OK, "tools": [{"type": "function"}]}, "tools", "not supported"),
    ({**OK, "functions": [{}]}, "functions", "not supported"),
    ({**OK, "suffix": "x"}, "suffix", "not supported"),
    ({**OK, "presence_penalty": 2.5}, "presence_penalty", "at most 2"),
    ({**OK, "frequency_penalty": -2.5}, "frequency_penalty", "at least -2"),
    ({**OK, "repetition_penalty": 0}, "repetition_penalty", "more than 0"),
    ({**OK, "repetition_penalty": 11}, "repetition_penalty", "at most 10"),
    ({**OK, "logit_bias": [5]}, "logit_bias", "an object"),
    ({**OK, "logit_bias": {"x": 1}}, "logit_bias.x", "token id"),
    ({**OK, "logit_bias": {" 5 ": 1}}, "logit_bias. 5 ", "token id"),
    ({**OK, "logit_bias": {"+5": 1}}, "logit_bias.+5", "token id"),
    ({**OK, "logit_bias": {"5": "1"}}, "logit_bias.5", "a number"),
    ({**OK, "logit_bias": {"5": 101}}, "logit_bias.5", "at most 100"),
    ({**OK, "logit_bias": {"8192": 1}}, "logit_bias", "0 to 8191"),
    ({**OK, "logit_bias": {str(i): 1 for i in range(1025)}}, "logit_bias", "at most 1024"),
    ({**OK, "min_tokens": 17, "max_tokens": 16}, "min_tokens", "0 to 16"),
    ({**OK, "min_tokens": 100}, "min_tokens", "0 to 16"),
    ({**OK, "min_tokens": -1}, "min_tokens", "-1"),
    ({**OK, "allowed_token_ids": []}, "allowed_token_ids", "empty"),
    ({**OK, "allowed_token_ids": [8192]}, "allowed_token_ids[0]", "0 to 8191"),
    ({**OK, "bad_words": "x"}, "bad_words", "list"),
    ({**OK, "bad_words": [" "]}, "bad_words[0]", "empty"),
    ({**OK, "bad_words": ["x"] * 33}, "bad_words", "at most 32"),
    ({**OK, "bad_words": ["incomprehensibilities " * 9]}, "bad_words[0]", "at most 8"),
    ({**OK, "truncate_prompt_tokens": 0}, "truncate_prompt_tokens", "1 to 1048576, or -1"),
    ({**OK, "truncate_prompt_tokens": -2}, "truncate_prompt_tokens", "1 to 1048576, or -1"),
    ({**OK, "include_stop_str_in_output": 1}, "include_stop_str_in_output", "true or false"),
    ({**OK, "priority": 1001}, "priority", "must be -1000 to 1000"),
]


@pytest.mark.parametrize("body, param, message", TABLE, ids=lambda value: str(value)[:40])
def test_bad_value(fast, body, param, message):
    response = fast.http.post("/v1/completions", json=body)
    error = response.json()["error"]
    assert response.status_code == 400, error
    assert error["param"] == param and message in error["message"] and param in error["message"]
    assert error["type"] == "invalid_request_error" and error["code"]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff", b'{"prompt":"\xff"}', b'{"prompt":"a"}}',
                                  b'{"prompt":"a","prompt":"b"}', b'{"prompt":"\\ud800"}', b'{"prompt":NaN}',
                                  DEEP.encode(), b'{"prompt":' + DEEP.encode(), b"\x00" * 1000],
                         ids=lambda value: str(value)[:30])
def test_not_json(fast, body):
    response = fast.http.post("/v1/completions", content=body)
    assert response.status_code == 400 and response.json()["error"]["code"] == "invalid_json"


def test_a_body_that_is_empty_is_said_to_be(fast):
    assert fast.http.post("/v1/completions").json()["error"]["message"] == "the request body is empty: it must be JSON"


@pytest.mark.parametrize("path, more", [("/v1/chat/completions", {}), ("/apply-template", {}), ("/api/chat", {"stream": False})])
def test_a_number_that_no_template_takes_is_told_where(fast, path, more):
    messages = [{"role": "user", "content": "a"}, {"role": "user", "content": "b", "annotations": {"a": [2**63]}}]
    error = fast.http.post(path, json={"messages": messages, **more}).json()["error"]
    assert (error if isinstance(error, str) else error["message"]) == \
        "messages[1].annotations.a[0]: an integer beyond 64 bits"


def test_as_many_stop_strings_as_the_flag_says():
    with Server("--backend", "fake", "--max-stop-strings", "64") as server:
        stops = [f"z{i}" for i in range(65)]
        server.complete(**OK, stop=stops[:64])
        response = server.http.post("/v1/completions", json={**OK, "stop": stops})
        assert response.status_code == 400 and response.json()["error"]["param"] == "stop"
    ended = run("serve", "--backend", "fake", "--model", str(MODEL), "--max-stop-strings", "65")
    assert ended.returncode == 2 and "--max-stop-strings is 65: it must be 0 to 64" in ended.stderr


def test_harmless_values_of_what_is_not_supported(fast):
    fast.complete(**OK, tools=[], logit_bias={}, presence_penalty=0, frequency_penalty=0.0, best_of=1, suffix=None,
                  user="me", response_format=None)


def test_the_client_sees_its_own_error(fast):
    with pytest.raises(openai.BadRequestError) as error:
        fast.openai().completions.create(model="", prompt="a", temperature=3)
    assert error.value.param == "temperature" and error.value.type == "invalid_request_error"


def test_nothing_is_left_behind(fast):
    for body, _, _ in TABLE:
        fast.http.post("/v1/completions", json=body)
    fast.wait_until_free()
    assert fast.http.get("/health/ready").status_code == 200
