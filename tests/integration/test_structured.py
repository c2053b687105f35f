"""Texts that are held to schemas, regular expressions, choices and grammars, on every wire that asks for text."""

import json
import re

import grpc
import jsonschema
import numpy
import pytest
import tritonclient.grpc as triton
from tritonclient.utils import InferenceServerException

from server import MODEL

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
    ({"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {"uniqueItems": True}}}},
     "response_format.json_schema.schema", "$.uniqueItems"),
    ({"response_format": {"type": "yaml"}}, "response_format.type", "one of"),
    ({"response_format": {"type": "json_schema"}}, "response_format.json_schema", "object"),
    ({"guided_regex": "(?=a)"}, "guided_regex", "lookahead"),
    ({"guided_regex": "((((a{1,9999}){1,9999}){1,9999}){1,9999}){1,9999}" + "(" * 200}, "guided_regex", ""),
    ({"guided_grammar": 'root ::= root "a" | "b"'}, "guided_grammar", "left-recursive"),
    ({"guided_choice": []}, "guided_choice", "list"),
    ({"guided_choice": ["a"], "guided_regex": "b"}, "guided_choice", "both"),
    ({"guided_choice": ["a"], "structured_outputs": {"choice": ["b"]}}, "guided_choice", "both"),
    ({"structured_outputs": {"structural_tag": "x"}}, "structured_outputs.structural_tag", "not valid JSON"),
    # A text that holds JSON is read as a body is.
    ({"guided_json": '{"const":1e400}'}, "guided_json", "too large"),
    ({"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": '{"enum":[-1e999]}'}}},
     "response_format.json_schema.schema", "too large"),
    ({"guided_json": '{"type":"string","type":"integer"}'}, "guided_json", "twice"),
    ({"structured_outputs": {"json": '{"const":"x","const":"y"}'}}, "structured_outputs.json", "twice"),
    ({"structured_outputs": {"structural_tag": '{"type":"structural_tag","type":"x","format":{}}'}}, "structured_outputs.structural_tag", "twice"),
    ({"guided_json": '{"items":' * 40 + "true" + "}" * 40}, "guided_json", "32 levels"),
    ({"structured_outputs": {"structural_tag": {"type": "structural_tag", "format": {"type": "tag"}}}},
     "structured_outputs.structural_tag", "$.format.begin"),
    ({"guided_json": {"$ref": "#"}}, "guided_json", "guided_json: $.$ref.$ref"),
    ({"guided_json": {"$ref": "#"}}, "guided_json", "…"),
    ({"guided_json": {"type": "number", "minimum": 0.1234567890123456789}}, "guided_json", "$ has the bound 0.12345678901234568:"),
    ({"guided_json": {"allOf": [{"anyOf": [{"required": [f"{i}.{k}"]} for k in range(9)]} for i in range(9)]}}, "guided_json",
     "$ is too complex: make it smaller"),
    ({"guided_choice": ["a"], "ignore_eos": True}, "ignore_eos", "end"),
    ({"guided_choice": ["a"], "min_tokens": 4}, "min_tokens", "whole"),
    ({"guided_regex": "a*", "min_tokens": 4}, "min_tokens", "whole"),
    ({"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"const": 1}}}, "min_tokens": 4}, "min_tokens", "whole"),
    ({"structured_outputs": {"regex": ""}}, "structured_outputs.regex", "empty"),
    ({"guided_regex": ""}, "guided_regex", "empty"),
    ({"guided_grammar": ""}, "guided_grammar", "empty"),
    ({"guided_json": ""}, "guided_json", "empty"),
    ({"regex": ""}, "regex", "empty"),
    ({"ebnf": ""}, "ebnf", "empty"),
    ({"json_schema": ""}, "json_schema", "empty"),
    ({"structured_outputs": {"json_object": False}}, "structured_outputs", "nothing"),
    ({"structured_outputs": {"json": "", "grammar": None}}, "structured_outputs.json", "empty"),
    ({"response_format": {"type": "grammar", "grammar": ""}}, "response_format.grammar", "empty"),
    ({"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": ""}}}, "response_format.json_schema.schema", "empty"),
])
def test_what_cannot_be_held_to_is_refused(server, params, where, why):
    status, answer = complete(server, **params)
    assert status == 400, answer
    assert answer["error"]["param"] == where
    assert why in answer["error"]["message"]


@pytest.mark.parametrize("wire", ["response_format", "structured_outputs"])
def test_a_text_of_several_parts(server, wire):
    tags = [{"type": "tag", "begin": f"<f={name}>", "content": {"type": "json_schema", "json_schema": schema}, "end": "</f>"}
            for name, schema in (("one", {"enum": [1, 2]}), ("two", {"type": "boolean"}))]
    parts = [{"type": "optional", "content": {"type": "const_string", "value": "So: "}},
             {"type": "tags_with_separator", "tags": tags, "separator": ", ", "at_least_one": True}]
    tag = {"type": "structural_tag", "format": {"type": "sequence", "elements": parts}}
    seen = set()
    for seed in range(8):
        status, answer = complete(server, seed=seed, **({wire: tag} if wire == "response_format" else {wire: {"structural_tag": tag}}))
        assert status == 200, answer
        [choice] = answer["choices"]
        if choice["finish_reason"] == "stop":
            one = "<f=(one>[12]|two>(true|false))</f>"
            assert re.fullmatch(f"(So: )?{one}(, {one})*", choice["text"]), choice["text"]
            seen.add(choice["text"][:4])
    assert len(seen) == 2


def test_the_older_form_of_structural_tags(server):
    tag = {"type": "structural_tag", "structures": [{"begin": "<a>", "schema": {"enum": ["x"]}, "end": "</a>"}], "triggers": ["<"]}
    status, answer = complete(server, seed=1, max_tokens=40, response_format=tag)
    assert status == 200, answer
    assert "<" not in answer["choices"][0]["text"].replace('<a>"x"</a>', "")


def test_grpc(server, stubs):
    pb, services = stubs
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}", options=[("grpc.enable_http_proxy", 0)]) as channel:
        stub = services.InferenceStub(channel)
        def text(**output):
            [choice] = stub.Complete(pb.GenerateRequest(text="x", max_tokens=200, structured_output=pb.StructuredOutput(**output))).choices
            assert choice.finish_reason == pb.FINISH_REASON_STOP
            return choice.text
        assert json.loads(text(json_schema='{"enum": [1, "a"]}')) in (1, "a")
        assert re.fullmatch("[ab]{3}", text(regex="[ab]{3}"))
        assert text(grammar='root ::= "c"') == "c"
        assert text(choices=pb.StructuredOutput.Choices(texts=["left", "right"])) in ("left", "right")
        assert text(structural_tag=json.dumps({"type": "structural_tag", "format": {"type": "const_string", "value": "so"}})) == "so"
        chat = pb.ChatRequest(messages=[pb.ChatMessage(role="user", content="hi")], max_tokens=40,
                              structured_output=pb.StructuredOutput(regex="yes|no"))
        assert "".join(one.text for one in stub.Chat(chat)) in ("yes", "no")
        with pytest.raises(grpc.RpcError) as raised:
            text(json_schema='{"uniqueItems": true}')
        assert raised.value.code() == grpc.StatusCode.INVALID_ARGUMENT and "structured_output.json_schema" in raised.value.details()


@pytest.mark.parametrize("parameters", [{"guided_choice": ["left"]}, {"guided_json": '{"const": "left"}'},
                                        {"structured_outputs": {"choice": ["left"]}}])
def test_open_inference(server, parameters):
    answer = server.http.post("/v2/models/samba-classics-18m/generate", json={
        "text_input": "x", "parameters": {"exclude_input_in_output": True, **parameters}})
    assert answer.status_code == 200, answer.text
    assert answer.json()["text_output"].strip('"') == "left"


def test_what_is_begun_twice_is_counted_once(server):
    """A connection's thread leaves a grammar to the work pool, which begins the request anew."""
    rejected = 'batucada_requests_rejected_total{reason="invalid"}'
    before = server.metrics()
    assert complete(server, guided_regex="(?=a)")[0] == 400
    with triton.InferenceServerClient(f"127.0.0.1:{server.grpc_port}") as client:
        text = triton.InferInput("text_input", [1], "BYTES")
        text.set_data_from_numpy(numpy.array([b"x"], dtype=object))
        with pytest.raises(InferenceServerException, match="lookahead"):
            client.infer(MODEL.name, [text], parameters={"guided_regex": "(?=a)"})
        answer = client.infer(MODEL.name, [text], parameters={"guided_regex": "(yes|no)", "max_tokens": 300})
        assert answer.as_numpy("text_output")[0] in (b"xyes", b"xno", b"yes", b"no")
    assert server.metrics()[rejected] - before[rejected] == 2
    response = server.http.post("/v1/completions", json={"prompt": "x", "guided_regex": "a", "unheard_of": 1})
    assert response.status_code == 200 and "unheard_of" in response.headers["x-ignored-parameters"]
    ignored = "batucada_ignored_parameters_total"
    assert server.metrics()[ignored] - before[ignored] == 1


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
