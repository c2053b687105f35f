"""/openapi.json is true: it holds what the server has, and the bounds that it states are those the server holds to."""

import json
import re

import pytest

from api_page import DOC, render
from server import Server, run

POSTS = ["/v1/completions", "/v1/chat/completions", "/v1/responses", "/tokenize", "/detokenize"]
# How the server computes and ends; no request is refused for them.
OF_THE_DEVICE = ["--max-batch-tokens", "--max-sequences", "--stall-timeout", "--drain-timeout"]


@pytest.fixture(scope="module")
def document(fast):
    return fast.http.get("/openapi.json").json()


def schema_of(document, path):
    reference = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    return document["components"]["schemas"][reference.rsplit("/", 1)[1]]


def references(node):
    if isinstance(node, dict):
        yield from [node["$ref"]] if "$ref" in node else []
        for child in node.values():
            yield from references(child)
    if isinstance(node, list):
        for child in node:
            yield from references(child)


def test_every_path_answers_as_described(fast, document):
    endpoints = set(fast.http.get("/").json()["endpoints"])
    described = {f"{method.upper()} {path}" for path, item in document["paths"].items() for method in item}
    assert endpoints <= described and "POST /v1/chat/completions" in described
    def made(path, body):
        return fast.http.post(path, json=body).json()
    conversation = made("/v1/conversations", {"items": [{"role": "user", "content": "a"}]})["id"]
    there = {"{model}": "samba-classics-18m", "{version}": "1", "{conversation_id}": conversation,
             "{session_id}": conversation,
             "{response_id}": made("/v1/responses", {"input": "a", "max_output_tokens": 1, "background": True})["id"],
             "{item_id}": fast.http.get(f"/v1/conversations/{conversation}/items").json()["first_id"]}
    for path, item in document["paths"].items():
        url = path
        for name, value in there.items():
            url = url.replace(name, value)
        for method in ("get", "post"):
            status = fast.http.request(method, url, content=b"{", headers={"content-type": "application/json"}).status_code
            if method not in item:
                assert status == 405, (method, path)
            else:
                assert status in ((400, 422) if "requestBody" in item[method] else (200,)), (method, path)
                assert str(status) in item[method]["responses"]


def test_references_lead_somewhere_and_ids_are_unique(document):
    for reference in references(document):
        assert reference.removeprefix("#/components/schemas/") in document["components"]["schemas"], reference
    ids = [operation["operationId"] for item in document["paths"].values() for operation in item.values()]
    assert len(ids) == len(set(ids))
    assert document["openapi"].startswith("3.1")


@pytest.fixture(scope="module")
def strict():
    with Server("--backend", "fake", "--strict-parameters") as server:
        yield server


@pytest.mark.parametrize("path", POSTS)
def test_every_described_parameter_is_read_and_no_other(strict, path):
    """An unknown parameter is refused as such; a described one of an impossible type is refused for its type."""
    fast, document = strict, strict.http.get("/openapi.json").json()
    assert schema_of(document, path)["additionalProperties"] is False
    properties = schema_of(document, path)["properties"]
    impossible = {"wrong": ["kind", 1.5, None]}
    for name in properties:
        error = fast.http.post(path, json={name: impossible}).json()["error"]
        assert (error["param"], error["code"]) != (name, "unknown_parameter"), error  # a member of it may be
    for name in ("no_such_parameter", *(f"{name}x" for name in properties)):
        base = {required: _sound(required) for required in schema_of(document, path).get("required", [])}
        error = fast.http.post(path, json={**base, name: 1}).json()["error"]
        assert (error["param"], error["code"]) == (name, "unknown_parameter")


def _sound(name):
    return {"prompt": "a", "input": "a", "messages": [{"role": "user", "content": "a"}], "tokens": [1]}[name]


def test_numbers_have_the_bounds_that_are_stated(fast, document):
    checked = 0
    for name, schema in schema_of(document, "/v1/completions")["properties"].items():
        kinds = schema.get("type", [])
        if not {"integer", "number"} & set(kinds):
            continue
        step = 1 if "integer" in kinds else 0.001
        inside, outside = [], []
        for word, sign in (("minimum", -1), ("maximum", 1)):
            if word in schema and abs(schema[word]) < 2**62:
                inside.append(schema[word])
                outside.append(schema[word] + sign * step)
        if "exclusiveMinimum" in schema:
            outside.append(schema["exclusiveMinimum"])
        for value in outside:
            response = fast.http.post("/v1/completions", json={"prompt": "a", name: value})
            assert response.status_code == 400 and response.json()["error"]["param"] == name, (name, value)
            checked += 1
        for value in inside:
            # Whether the value is in range is all that is asked; best_of and min_tokens have partners.
            body = {"prompt": "a", "max_tokens": 1, name: value}
            if name == "max_tokens":
                body.update(echo=True, logprobs=0)
            if name == "n" and value > 1:
                continue
            response = fast.http.post("/v1/completions", json=body)
            assert response.status_code == 200, (name, value, response.text)
    assert checked >= 20


def test_the_ends_of_ranges_can_be_drawn_with(cpu, document):
    """A backend that refuses what a request may ask for ends with it."""
    drawn = 0
    for name, schema in schema_of(document, "/v1/completions")["properties"].items():
        if "number" not in schema.get("type", []):
            continue
        for value in (schema[word] for word in ("minimum", "maximum") if word in schema):
            told = cpu.complete(prompt="It was", max_tokens=2, **{"temperature": 1, name: value})
            assert told["choices"][0]["finish_reason"] in ("length", "stop"), (name, value)
            drawn += 1
    assert drawn >= 8
    greedy, least = (cpu.complete(prompt="It was", max_tokens=8, **said)["choices"][0]["text"]
                     for said in ({"temperature": 0}, {"temperature": 1, "top_p": 0}))
    assert greedy == least


def test_refused_parameters_take_the_values_that_change_nothing(fast, document):
    refused = {name: schema for name, schema in schema_of(document, "/v1/completions")["properties"].items()
               if "enum" in schema}
    assert {"tools", "suffix", "stop_regex"} <= set(refused)
    for name, schema in refused.items():
        for value in schema["enum"]:
            fast.complete(prompt="a", max_tokens=1, **{name: value})
        response = fast.http.post("/v1/completions", json={"prompt": "a", name: {"something": "else"}})
        assert response.json()["error"]["code"] == "unsupported_parameter"


def test_enums_name_a_value_once(document):
    def walk(node):
        if isinstance(node, dict):
            if isinstance(node.get("enum"), list):
                texts = [json.dumps(value) for value in node["enum"]]
                assert len(texts) == len(set(texts)), texts
            for child in node.values():
                walk(child)
        if isinstance(node, list):
            for child in node:
                walk(child)
    walk(document)


def test_integers_as_json_schema_has_them(fast):
    """There 2.0 is one."""
    whole = {"max_tokens": 2, "n": 1, "top_k": 5, "seed": 7, "stop_token_ids": [5], "best_of": 1, "prompt": [5, 6]}
    apart = {name: [float(one) for one in value] if isinstance(value, list) else float(value) for name, value in whole.items()}
    assert fast.complete(**apart)["choices"] == fast.complete(**whole)["choices"]
    fast.http.post("/v1/chat/completions", json={"messages": [{"role": "user", "content": "a"}], "best_of": 1.0,
                                                 "max_tokens": 1}).raise_for_status()


def test_the_page_is_made_of_it(document):
    assert DOC.read_text() == render(document), "run: python tests/integration/api_page.py"


def test_the_page_names_every_parameter(document):
    text = DOC.read_text()
    for path in POSTS:
        for name in schema_of(document, path)["properties"]:
            assert re.search(rf"^\| `{name}` \|", text, re.MULTILINE), name
    for name in ("stream_options.include_usage", "messages[].role", "messages[].content[].text", "inputs[].datatype"):
        assert f"| `{name}` |" in text, name


def test_the_page_names_every_limit():
    text = DOC.read_text()
    for flag in re.findall(r"^  (--\S+)", run("serve", "--help").stdout, re.MULTILINE):
        if re.search("-max-|-timeout|-backlog|-buffer", flag) and flag not in OF_THE_DEVICE:
            assert f"\n{flag} " in text, flag
