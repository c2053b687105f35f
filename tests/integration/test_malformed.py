"""Inputs that are no requests, by the hundred and in every dialect: each gets a 4xx that says what is wrong, in the shape of
errors of that dialect, and leaves the server as it was."""

import gzip
import json
import os

import grpc
import pytest

from server import MODEL, PATIENCE_S, Server, run

NAME = "samba-classics-18m"
MESSAGES = [{"role": "user", "content": "a"}]
INPUT = {"name": "text_input", "shape": [1], "datatype": "BYTES", "data": ["a"]}

# A sound request of each API. Each may have one more member, which the broken ones use.
SOUND = {
    "/v1/completions": {"prompt": "a", "max_tokens": 1},
    "/v1/chat/completions": {"messages": MESSAGES, "max_tokens": 1},
    "/chat/completions": {"messages": MESSAGES, "max_tokens": 1},
    "/v1/responses": {"input": "a", "max_output_tokens": 1, "store": False},
    "/v1/responses/input_tokens": {"input": "a"},
    "/v1/conversations": {"items": []},
    "/v1/messages": {"model": NAME, "max_tokens": 1, "messages": MESSAGES},
    "/v1/messages/count_tokens": {"model": NAME, "messages": MESSAGES},
    "/tokenize": {"prompt": "a"},
    "/v1/tokenize": {"prompt": "a"},
    "/detokenize": {"tokens": [1]},
    "/generate": {"inputs": "a", "parameters": {"max_new_tokens": 1}},
    "/generate_stream": {"inputs": "a", "parameters": {"max_new_tokens": 1}},
    "/": {"inputs": "a", "parameters": {"max_new_tokens": 1}},
    "/completion": {"prompt": "a", "n_predict": 1},
    "/apply-template": {"messages": MESSAGES},
    "/api/chat": {"model": NAME, "messages": MESSAGES, "stream": False, "options": {"num_predict": 1}},
    "/api/generate": {"model": NAME, "prompt": "a", "stream": False, "options": {"num_predict": 1}},
    "/api/show": {"model": NAME},
    f"/v2/models/{NAME}/infer": {"inputs": [INPUT]},
    f"/v2/models/{NAME}/generate": {"text_input": "a", "max_tokens": 1},
    f"/v2/models/{NAME}/generate_stream": {"text_input": "a", "max_tokens": 1},
    "/admin/log": {},
}

# What is no JSON, as one more member of a sound request.
MEMBERS = [
    b'"x": NaN', b'"x": Infinity', b'"x": -Infinity', b'"x": nan', b'"x": 01', b'"x": +1', b'"x": .5', b'"x": 1.', b'"x": 1e',
    b'"x": 0x10', b'"x": 1_000', b'"x": -', b'"x": --1', b'"x": True', b'"x": None', b'"x": undefined', b'"x": tru', b"'x': 1",
    b"x: 1", b'"x"', b'"x":', b'"x": 1 2', b'"x": 1,', b'"x": [1,]', b'"x": [1', b'"x": {"a": 1,}', b'"x": {"a"}', b'"x": {1: 2}',
    b'"x": "a', b'"x": "\\x41"', b'"x": "\\u12"', b'"x": "\\u{41}"', b'"x": "\\ud800"', b'"x": "\\udc00\\ud800"', b'"x": "\\ud800a"',
    b'"x": "\n"', b'"x": "\0"', b'"x": "\x1f"', b'"x": "\xff"', b'"x": "\xc0\x80"', b'"x": "\xe0\x80\x80"', b'"x": "\xed\xa0\x80"',
    b'"x": "\xf4\x90\x80\x80"', b'"x": "\xf8\x88\x80\x80\x80"', b'"x": "\xc3"', b'"\xff": 1', b'"\\ud800": 1', b'"x": 1 /* no */',
    b'"x": 1 // no', b'"x": \xc2\xa01', b'"x": 1, "x": 2', b'"x": ' + b"[" * 40 + b"]" * 40,
    b'"x": ' + b'{"a":' * 40 + b"1" + b"}" * 40, b'"x": ' + b"[" * 100_000, b'"x": ' + b'{"a":' * 100_000,
    b'"x": [' + b",".join([b'{"a":0}'] * 140_000) + b"]", b"\0", b"\xef\xbb\xbf",
]


def whole_bodies(sound):
    """Bodies that are no JSON as a whole."""
    text = json.dumps(sound).encode()
    yield from (b"", b" ", b"\0", b"{", b"}", b"[]", b"[{}]", b"null", b"1", b'"a"', b"true", text[:-1], text[1:],
                text + b"}", text + text, text + b"\0", text.decode().encode("utf-16"), text.decode().encode("utf-32"),
                gzip.compress(text), b"<x/>", b"prompt=a&max_tokens=1", b"---\nprompt: a\n", b"\x80\x04N.", b"\xff" * 1000,
                b"[" * 100_000, b'{"a":' * 100_000, b"1" * 100_000, b'"' * 1001)


def message_of(response):
    """What the error says, whatever the shape. Asserts that it is one."""
    body = response.json()
    error = body["error"]
    return error if isinstance(error, str) else error["message"]


@pytest.fixture(scope="module")
def server():
    with Server("--backend", "fake", "--fake-step-time", "0") as server:
        yield server


def complaints(server, path, bodies, headers=None):
    """What is not as it should be, of every body."""
    for body in bodies:
        response = server.http.post(path, content=body, headers=headers)
        shown = body if len(body) < 200 else body[:200] + b"..."
        if not 400 <= response.status_code < 500:
            yield shown, response.status_code, response.text[:200]
        elif len(message_of(response)) < 10:
            yield shown, response.text


@pytest.mark.parametrize("path", SOUND)
def test_what_is_no_json(server, path):
    sound = SOUND[path]
    assert server.http.post(path, json=sound).status_code == 200, "what is broken below was sound"
    text = json.dumps(sound).encode()
    members = [text[:-1] + (b", " if sound else b"") + member + b"}" for member in MEMBERS]
    bodies = [*members, *whole_bodies(sound)]
    assert len(bodies) > 80
    assert not list(complaints(server, path, bodies))


@pytest.mark.parametrize("path", [path for path, sound in SOUND.items() if sound])
def test_a_member_twice(server, path):
    """Two parsers would read two requests."""
    bodies = []
    for name, value in SOUND[path].items():
        once = json.dumps(SOUND[path]).encode()
        bodies += [once[:-1] + b", " + json.dumps(name).encode() + b": " + json.dumps(other).encode() + b"}" for other in (value, None)]
    assert not list(complaints(server, path, bodies))


@pytest.mark.parametrize("kind", ["multipart/form-data; boundary=b", "application/x-www-form-urlencoded", "text/xml", "application/x-protobuf"])
def test_other_kinds_of_bodies(server, kind):
    form = b'--b\r\nContent-Disposition: form-data; name="prompt"; filename="../x"\r\n\r\na\r\n--b--\r\n'
    bodies = [form, form[:-4], b"--b--", b"prompt=a", b"<prompt>a</prompt>", b"\x0a\x01a"]
    for path in SOUND:
        assert not list(complaints(server, path, bodies, {"content-type": kind})), path


def resolved(document, schema):
    while "$ref" in schema:
        *_, name = schema["$ref"].split("/")
        schema = document["components"]["schemas"][name]
    return schema


def kinds_of(document, schema):
    """The JSON types that a schema may let through; None: any."""
    schema = resolved(document, schema)
    for several in ("anyOf", "oneOf"):
        if several in schema:
            kinds = [kinds_of(document, one) for one in schema[several]]
            return None if None in kinds else set().union(*kinds)
    if "enum" in schema or "const" in schema:
        names = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object", type(None): "null"}
        return {names[type(value)] for value in schema.get("enum", [schema.get("const")])}
    if "type" not in schema:
        return None
    return {schema["type"]} if isinstance(schema["type"], str) else set(schema["type"])


VALUES = {"string": "x\0", "boolean": True, "number": -0.5, "array": [{}, 1, None], "object": {"": [1, None]}}


# Of /generate's two descriptions these are SGLang's, and unknown beside TGI's `inputs`.
SGLANG = ("rid", "model")


def test_every_known_member_of_another_type(server):
    """By the server's own description: a value of a type that a member does not have is refused by the member's name."""
    document = server.http.get("/openapi.json").json()
    tried, wrong = 0, []
    for template, item in document["paths"].items():
        path = template.replace("{model}", NAME)
        if path not in SOUND or "requestBody" not in item.get("post", {}):
            continue
        schema = resolved(document, item["post"]["requestBody"]["content"]["application/json"]["schema"])
        shapes = [resolved(document, one) for one in schema.get("anyOf", schema.get("oneOf", [schema]))]
        for name in {name for shape in shapes for name in shape.get("properties", {})}:
            kinds = [kinds_of(document, shape["properties"][name]) for shape in shapes if name in shape.get("properties", {})]
            if None in kinds or (path == "/generate" and name in SGLANG):
                continue
            allowed = set().union(*kinds)
            for kind, value in VALUES.items():
                if kind in allowed:
                    continue
                tried += 1
                response = server.http.post(path, json=SOUND[path] | {name: value})
                if not 400 <= response.status_code < 500 or name not in message_of(response):
                    wrong.append((path, name, value, response.status_code, response.text[:150]))
    assert tried > 1000
    assert not wrong, "\n".join(map(str, [len(wrong), *wrong[:60]]))


@pytest.mark.parametrize("bias", ['{"1": 1, "01": 2}', '{"1": 1, "1": 2}', '{"00000000000000000001": 1, "1": 1}', '{"99999999999999999999": 1}',
                                  '{"1": 1e400}', '{"1": NaN}', '{"-1": 1}', '{"1.0": 1}', '{"": 1}', '{"\\u0000": 1}', '{"\\uff11": 1}', '[1, 2]', "7",
                                  '"1"'])
@pytest.mark.parametrize("path", ["/v1/completions", "/v1/chat/completions", "/completion"])
def test_biases_that_name_no_token_or_one_twice(server, path, bias):
    body = json.dumps(SOUND[path])[:-1] + f', "logit_bias": {bias}}}'
    assert not list(complaints(server, path, [body.encode()]))


@pytest.mark.parametrize("path", ["/slots/0?action=save", "/slots/0?action=restore", "/slots/0?action=erase", "/slots/99999999999?action=save",
                                  "/slots/-1?action=save", "/slots/x?action=save", "/slots/..%2f..%2fetc?action=save", "/slots/0", "/slots/0?action=",
                                  "/slots/0?action=%00", "/slots/0?action=SAVE"])
def test_slots_of_a_server_that_keeps_none(server, path):
    bodies = [json.dumps({"filename": name}).encode() for name in ("a", "", "../../etc/passwd", "/etc/passwd", "a\0b", "a" * 300, "\u202e")]
    assert not list(complaints(server, path, [*bodies, b"", b"{}", b'{"filename": 7}', b'{"filename": null}']))


@pytest.mark.parametrize("escaped", ["%ff", "a%c3", "%c0%80", "%ed%a0%80", "%f4%90%80%80"])
@pytest.mark.parametrize("path", ["/v1/sessions?limit=", "/v1/sessions?order=", "/v1/sessions?after=", "/v1/responses/resp_a?stream=",
                                  "/v1/responses/resp_a?include=", "/v1/responses/resp_a/input_items?include[]=", "/v1/models/"])
def test_escapes_that_are_no_text(server, path, escaped):
    """The answer that repeats them is text."""
    response = server.http.get(path + escaped)
    assert response.status_code == 400 and message_of(response)


@pytest.mark.parametrize("count", [60, 200])
def test_a_long_version_is_told_as_text(server, count):
    response = server.http.get(f"/v2/models/{NAME}/versions/a{'é' * count}")
    assert response.status_code == 404 and "version 1 only, not a" in message_of(response)


def test_a_header_that_is_no_text(server):
    headers = {"inference-header-content-length": b"a\xc3"}
    response = server.http.post(f"/v2/models/{NAME}/infer", content=b"{}", headers=headers)
    assert response.status_code == 400 and "not a number of bytes" in message_of(response)


METHODS = ["batucada.v1.Inference/Generate", "batucada.v1.Inference/Complete", "batucada.v1.Inference/Chat", "batucada.v1.Inference/Tokenize",
           "batucada.v1.Inference/Detokenize", "batucada.v1.Inference/GetCheckpoint", "batucada.v1.Inference/Abort",
           "inference.GRPCInferenceService/ModelInfer", "inference.GRPCInferenceService/ModelReady"]
# Protobuf's wire as it must not be: tags without a field, lengths past the end, numbers without an end, groups, kinds
# that there are not, and a string that is no UTF-8 in the first fields.
WIRES = [b"\x0a", b"\x0a\x05a", b"\x0a\xff\xff\xff\xff\x0f", b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", b"\x0a\x80", b"\x80", b"\x80" * 11,
         b"\xff" * 10, b"\x00\x00", b"\x02\x00", b"\x0b", b"\x0b" * 200, b"\x0c", b"\x0e\x00", b"\x0f\x00", b"\x08", b"\x08" + b"\x80" * 10 + b"\x01",
         b"\x09\x00", b"\x0d\x00", b"\x0a\x02\xc3\x28\x12\x02\xc3\x28\x1a\x02\xc3\x28", b"{}", b'{"text": "a"}']


@pytest.mark.parametrize("method", METHODS)
def test_bytes_that_are_no_message(server, method):
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        for wire in WIRES:
            with pytest.raises(grpc.RpcError) as error:
                list(channel.unary_stream(f"/{method}")(wire, timeout=PATIENCE_S))
            assert error.value.code() in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND), (wire, error.value)
            assert error.value.details(), wire


@pytest.mark.parametrize("flag, value", [("--chat-template", "pipe"), ("--chat-template", "folder"), ("--chat-template", "/dev/zero"),
                                         ("--chat-template", "missing"), ("--chat-template", "binary"), ("--served-model-name", "a\nb"),
                                         ("--served-model-name", b"\xff"), ("--otlp-service-name", "a\x1bb"), ("--otlp-service-name", b"\xc3")])
def test_flags_are_named(tmp_path, flag, value):
    (tmp_path / "folder").mkdir()
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    os.mkfifo(tmp_path / "pipe")
    given = str(tmp_path / value) if value in ("pipe", "folder", "missing", "binary") else value
    ended = run("serve", "--backend", "fake", "--model", str(MODEL), flag, given)
    assert ended.returncode == 2 and flag in ended.stderr, ended.stderr


def test_nothing_is_left_behind(server):
    server.wait_until_free()
    held = {name: value for name, value in server.metrics().items() if name.startswith("batucada_request_memory_bytes") and value}
    assert not held
    assert server.http.get("/health/ready").status_code == 200
    assert server.http.post("/v1/completions", json=SOUND["/v1/completions"]).status_code == 200
