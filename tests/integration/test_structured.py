"""Texts that are held to schemas, regular expressions, choices and grammars, on every wire that asks for text."""

import json
import re

import jsonschema
import pytest

SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string", "maxLength": 12}, "age": {"type": "integer", "minimum": 0, "maximum": 150},
                   "tags": {"type": "array", "items": {"enum": ["a", "b"]}, "maxItems": 3}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
USER = {"role": "user", "content": "hi"}


@pytest.fixture
def server(fast):
    return fast


def complete(server, **params):
    answer = server.http.post("/v1/completions", json={"prompt": "x", "max_tokens": 300, **params})
    return answer.status_code, answer.json()


@pytest.mark.parametrize("params", [
    {"response_format": {"type": "json_schema", "json_schema": {"name": "p", "schema": SCHEMA, "strict": True}}},
    {"structured_outputs": {"json": SCHEMA}},
    {"guided_json": json.dumps(SCHEMA)},
])
def test_text_satisfies_the_schema(server, params):
    finished = 0
    for seed in range(6):
        status, answer = complete(server, seed=seed, temperature=1, **params)
        assert status == 200, answer
        choice = answer["choices"][0]
        if choice["finish_reason"] == "stop":
            finished += 1
            jsonschema.validate(json.loads(choice["text"]), SCHEMA)
    assert finished > 0


@pytest.mark.parametrize("params,pattern", [
    ({"structured_outputs": {"regex": "[a-c]{3}-[0-9]{2}"}}, "[a-c]{3}-[0-9]{2}"),
    ({"guided_regex": "(yes|no)"}, "yes|no"),
    ({"structured_outputs": {"choice": ["red", "green"]}}, "red|green"),
    ({"guided_choice": ["red", "green"]}, "red|green"),
    ({"structured_outputs": {"grammar": 'root ::= "<" [a-z]{2} ">"'}}, "<[a-z]{2}>"),
])
def test_text_matches(server, params, pattern):
    for seed in range(4):
        status, answer = complete(server, seed=seed, n=2, **params)
        assert status == 200, answer
        for choice in answer["choices"]:
            assert choice["finish_reason"] == "stop"
            assert re.fullmatch(pattern, choice["text"]), choice


def test_json_object_beside_free_text(server):
    """Rows with and without a grammar share steps."""
    status, free = complete(server, seed=3, max_tokens=20)
    assert status == 200
    status, answer = complete(server, seed=1, temperature=0.7, response_format={"type": "json_object"}, max_tokens=400, n=4)
    assert status == 200
    whole = [c["text"] for c in answer["choices"] if c["finish_reason"] == "stop"]
    for text in whole:
        assert isinstance(json.loads(text), dict)
    assert complete(server, seed=3, max_tokens=20)[1]["choices"][0]["text"] == free["choices"][0]["text"]


@pytest.mark.parametrize("params,where,why", [
    ({"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {"not": {}}}}},
     "response_format.json_schema.schema", "$.not"),
    ({"response_format": {"type": "yaml"}}, "response_format.type", "one of"),
    ({"response_format": {"type": "json_schema"}}, "response_format.json_schema", "object"),
    ({"guided_regex": "(?=a)"}, "guided_regex", "lookahead"),
    ({"guided_regex": "((((a{1,9999}){1,9999}){1,9999}){1,9999}){1,9999}" + "(" * 200}, "guided_regex", ""),
    ({"guided_grammar": 'root ::= root "a" | "b"'}, "guided_grammar", "left-recursive"),
    ({"guided_choice": []}, "guided_choice", "list"),
    ({"guided_choice": ["a"], "guided_regex": "b"}, "guided_choice", "both"),
    ({"structured_outputs": {"structural_tag": "x"}}, "structured_outputs.structural_tag", "not supported"),
    ({"guided_choice": ["a"], "ignore_eos": True}, "ignore_eos", "end"),
])
def test_what_cannot_be_held_to_is_refused(server, params, where, why):
    status, answer = complete(server, **params)
    assert status == 400, answer
    assert answer["error"]["param"] == where
    assert why in answer["error"]["message"]


def test_chat_streams_a_schema(server):
    body = {"messages": [USER], "max_tokens": 300, "seed": 2, "stream": True,
            "response_format": {"type": "json_schema", "json_schema": {"name": "p", "schema": {"enum": [1, {"a": "b"}]}}}}
    text = ""
    with server.http.stream("POST", "/v1/chat/completions", json=body) as answer:
        assert answer.status_code == 200
        for line in answer.iter_lines():
            if line.startswith("data: {"):
                text += json.loads(line[6:])["choices"][0]["delta"].get("content", "")
    assert json.loads(text) in (1, {"a": "b"})


def test_a_model_is_held_to_a_schema(cpu):
    for seed in range(2):
        status, answer = complete(cpu, seed=seed, n=2, max_tokens=40, guided_json={"enum": ["left", "right", [1, 2]]})
        assert status == 200, answer
        for choice in answer["choices"]:
            assert choice["finish_reason"] == "stop"
            assert json.loads(choice["text"]) in ("left", "right", [1, 2])
