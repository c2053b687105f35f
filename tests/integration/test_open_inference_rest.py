"""The Open Inference Protocol over REST: Triton's own client, and Triton's generate extension."""

import json

import httpx
import numpy as np
import pytest
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

from server import Server

PROMPT = "It was a dark and stormy night"


@pytest.fixture(scope="module")
def client(fast):
    with triton.InferenceServerClient(f"127.0.0.1:{fast.http_port}") as client:
        yield client


@pytest.fixture(scope="module")
def model(fast):
    return fast.http.get("/v1/models").json()["data"][0]["id"]


def tensor(name, value, binary=True):
    array = np.array([value.encode()], dtype=object) if isinstance(value, str) else np.array([value])
    datatype = {"O": "BYTES", "b": "BOOL", "i": "INT64", "f": "FP64"}[array.dtype.kind]
    made = triton.InferInput(name, list(array.shape), datatype)
    made.set_data_from_numpy(array, binary_data=binary)
    return made


def over_http(fast, **members):
    body = {"prompt": PROMPT, "seed": 7, "max_tokens": 24} | members
    return fast.http.post("/v1/completions", json=body).json()["choices"][0]["text"]


def events(fast, path, body):
    with fast.http.stream("POST", path, json=body) as response:
        assert response.status_code == 200, response.read()
        assert response.headers["content-type"].startswith("text/event-stream")
        lines = [line for line in response.iter_lines() if line]
    assert all(line.startswith("data: ") for line in lines), lines
    return [json.loads(line[6:]) for line in lines]


def test_health_and_metadata(client, model):
    assert client.is_server_live() and client.is_server_ready()
    assert client.is_model_ready(model) and client.is_model_ready(model, "1")
    assert not client.is_model_ready("nobody") and not client.is_model_ready(model, "7")
    assert client.get_server_metadata()["name"] == "batucada"
    metadata = client.get_model_metadata(model, "1")
    assert {t["name"]: t["datatype"] for t in metadata["inputs"]}["text_input"] == "BYTES"
    assert [t["name"] for t in metadata["outputs"]] == ["text_output"]
    assert [m["name"] for m in client.get_model_repository_index()] == [model]
    with pytest.raises(InferenceServerException, match="does not exist"):
        client.get_model_metadata("nobody")


@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False])
def test_says_the_same_as_completions(fast, client, model, binary_in, binary_out):
    expected = over_http(fast)
    inputs = [tensor("text_input", PROMPT, binary_in), tensor("exclude_input_in_output", True, binary_in),
              tensor("sampling_parameters", json.dumps({"seed": 7, "max_tokens": 24}), binary_in)]
    outputs = [triton.InferRequestedOutput("text_output", binary_data=binary_out)]
    for version in ("", "1"):
        result = client.infer(model, inputs, model_version=version, outputs=outputs, request_id="mine")
        value = result.as_numpy("text_output")[0]
        assert (value.decode() if isinstance(value, bytes) else value) == expected
        assert result.get_response()["id"] == "mine" and result.get_response()["model_name"] == model


def test_parameters_and_choices(fast, client, model):
    result = client.infer(model, [tensor("text_input", PROMPT)], parameters={"seed": 7, "max_tokens": 24})
    assert result.as_numpy("text_output")[0].decode() == PROMPT + over_http(fast)
    result = client.infer(model, [tensor("text_input", PROMPT), tensor("n", 3)], parameters={"max_tokens": 5, "seed": 1})
    assert len(set(result.as_numpy("text_output"))) == 3


def test_generate(fast, model):
    expected = over_http(fast)
    path = f"/v2/models/{model}/generate"
    given = {"text_input": PROMPT, "parameters": {"seed": 7, "max_tokens": 24}}
    answer = fast.http.post(path, json=given).json()
    assert answer == {"model_name": model, "model_version": "1", "text_output": PROMPT + expected}
    flat = {"text_input": PROMPT, "seed": 7, "max_tokens": 24, "exclude_input_in_output": True, "id": "me"}
    answer = fast.http.post(f"/v2/models/{model}/versions/1/generate", json=flat).json()
    assert answer["text_output"] == expected and answer["id"] == "me"
    # Names of Triton's TensorRT-LLM backend, and parameters that are lists.
    stopped = fast.http.post(path, json=flat | {"stop_words": [expected[5:8]], "allowed_token_ids": [5]}).json()
    assert set(stopped) >= {"text_output"}
    several = fast.http.post(path, json=flat | {"n": 2}).json()
    assert several["text_output"][0] == expected and len(several["text_output"]) == 2


def test_generate_stream(fast, model):
    expected = over_http(fast)
    path = f"/v2/models/{model}/generate_stream"
    given = {"text_input": PROMPT, "parameters": {"seed": 7, "max_tokens": 24}}
    pieces = events(fast, path, given)
    assert len(pieces) > 5 and "".join(piece["text_output"] for piece in pieces) == expected
    assert {piece["model_name"] for piece in pieces} == {model}
    whole = events(fast, path, given | {"stream": False})
    assert [piece["text_output"] for piece in whole] == [PROMPT + expected]


@pytest.mark.parametrize("action, body, message", [
    ("infer", {}, "text_input is missing"),
    ("infer", {"inputs": [{"name": "text_input", "datatype": "BYTES", "shape": [2], "data": ["a"]}]}, "1 elements where"),
    ("infer", {"inputs": [{"name": "text_input", "datatype": "BYTES", "shape": [1]}]}, "needs its elements"),
    ("infer", {"inputs": [{"name": "text_input", "datatype": "BYTES", "shape": [1], "data": "a"}]}, "must be a list"),
    ("infer", {"inputs": [{"name": "text_input", "datatype": "BYTES", "shape": [-1], "data": ["a"]}]}, "shape"),
    ("infer", {"inputs": [{"name": "text_input", "datatype": "BYTES", "shape": [1],
                           "parameters": {"binary_data_size": 9}}]}, "0 bytes are left"),
    ("infer", {"inputs": [3]}, "must be an object"),
    ("infer", {"inputs": {}}, "must be a list"),
    ("infer", {"input": []}, "input"),
    ("infer", {"inputs": [], "outputs": [{"name": "logits"}]}, "there is no output logits"),
    ("generate", {}, "text_input is missing"),
    ("generate", {"text_input": 3}, "must be BYTES"),
    ("generate", {"text_input": "a", "parameters": 3}, "must be an object"),
    ("generate", {"text_input": "a", "temperature": 9}, "temperature"),
    ("generate", {"text_input": "a", "colour": 9}, "colour"),
    ("generate", {"text_input": "a", "stream": True}, "use ModelStreamInfer, or generate_stream"),
    ("generate", {"text_input": "a", "stream": "yes"}, "must be BOOL"),
    ("generate_stream", {"text_input": "a", "n": 2}, "n must be 1"),
    ("generate_stream", {"text_input": "a", "exclude_input_in_output": False}, "must be true"),
])
def test_refuses_by_name(fast, model, action, body, message):
    response = fast.http.post(f"/v2/models/{model}/{action}", json=body)
    assert response.status_code == 400, response.text
    assert message in response.json()["error"]


def test_binary_lengths_are_checked(fast, model):
    path = f"/v2/models/{model}/infer"
    head = json.dumps({"inputs": [{"name": "text_input", "datatype": "BYTES", "shape": [1],
                                   "parameters": {"binary_data_size": 5}}]}).encode()
    for length, content, message in [
            (len(head), head + b"\1\0\0\0abc", "bytes are left after the last"),
            (len(head), head + b"\2\0\0\0a", "shorter"),
            (len(head) + 99, head, "but the body has"),
            ("many", head, "not a number")]:
        response = fast.http.post(path, content=content, headers={"inference-header-content-length": str(length)})
        assert response.status_code == 400 and message in response.json()["error"], response.text
    good = fast.http.post(path, content=head + b"\1\0\0\0a", headers={"inference-header-content-length": str(len(head))})
    assert good.status_code == 200, good.text


def test_wrong_names(fast, model):
    for path in ("nobody/infer", f"{model}/versions/2/infer", "nobody/versions/1/generate"):
        body = {"inputs": [{"name": "text_input", "datatype": "BYTES", "shape": [1], "data": ["a"]}]}
        response = fast.http.post(f"/v2/models/{path}", json=body if path.endswith("infer") else {"text_input": "a"})
        assert response.status_code == 404 and isinstance(response.json()["error"], str), response.text


def test_a_client_that_leaves_frees_its_place(slow, model):
    with pytest.raises(httpx.ReadTimeout):
        slow.http.post(f"/v2/models/{model}/generate", json={"text_input": "a", "max_tokens": 4000}, timeout=0.3)
    slow.wait_until_free()


def test_needs_the_key_where_there_is_one(model):
    with Server("--backend", "fake", "--api-key", "open-sesame") as server:
        given = {"text_input": "a", "max_tokens": 1}
        assert server.http.post(f"/v2/models/{model}/generate", json=given).status_code == 401
        key = {"authorization": "Bearer open-sesame"}
        assert server.http.post(f"/v2/models/{model}/generate", json=given, headers=key).status_code == 200
        assert server.http.get("/v2/health/ready").status_code == 200
