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


def test_health_and_metadata(fast, client, model):
    assert client.is_server_live() and client.is_server_ready()
    assert client.is_model_ready(model) and client.is_model_ready(model, "1")
    assert not client.is_model_ready("nobody") and not client.is_model_ready(model, "7")
    assert client.get_server_metadata()["name"] == "batucada"
    metadata = client.get_model_metadata(model, "1")
    assert {t["name"]: t["datatype"] for t in metadata["inputs"]}["text_input"] == "BYTES"
    assert [t["name"] for t in metadata["outputs"]] == ["text_output"]
    assert [m["name"] for m in client.get_model_repository_index()] == [model]
    for body in (b"", b"{}", b'{"ready": true}', b'{"ready": false}', b'{"ready": null}'):
        answer = fast.http.post("/v2/repository/index", content=body)
        assert (answer.status_code, [m["state"] for m in answer.json()]) == (200, ["READY"]), body
    for body, message in ((b'{"ready": 1}', "ready must be true or false"), (b"[]", "JSON object"), (b"{", "JSON"),
                          (b'{"redy": true}', "redy is not a parameter of this endpoint")):
        answer = fast.http.post("/v2/repository/index", content=body)
        assert answer.status_code == 400 and message in answer.json()["error"], (body, answer.text)
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


def test_an_output_says_for_itself_whether_it_is_bytes(fast, model):
    body = infer_body(("text_input", "BYTES", [PROMPT]), ("max_tokens", "INT32", [2])) | {"parameters": {"binary_data_output": True}}
    for own, binary in (({}, True), ({"parameters": {"binary_data": False}}, False)):
        answer = fast.http.post(f"/v2/models/{model}/infer", json=body | {"outputs": [{"name": "text_output", **own}]})
        assert answer.status_code == 200 and ("inference-header-content-length" in answer.headers) == binary
        assert binary or answer.json()["outputs"][0]["data"][0].startswith(PROMPT)


def test_generate(fast, model):
    expected = over_http(fast)
    path = f"/v2/models/{model}/generate"
    given = {"text_input": PROMPT, "parameters": {"seed": 7, "max_tokens": 24}}
    answer = fast.http.post(path, json=given).json()
    assert answer == {"model_name": model, "model_version": "1", "text_output": PROMPT + expected}
    flat = {"text_input": PROMPT, "seed": 7, "max_tokens": 24, "exclude_input_in_output": "True", "id": "me"}
    answer = fast.http.post(f"/v2/models/{model}/versions/1/generate", json=flat).json()
    assert answer["text_output"] == expected and answer["id"] == "me"
    # Names of Triton's TensorRT-LLM backend, and parameters that are lists.
    stopped = fast.http.post(path, json=flat | {"stop_words": [expected[5:8]], "allowed_token_ids": [5]}).json()
    assert set(stopped) >= {"text_output"}
    several = fast.http.post(path, json=flat | {"n": 2}).json()
    assert several["text_output"][0] == expected and len(several["text_output"]) == 2


def test_generate_stream(fast, model):
    expected = over_http(fast, max_tokens=400)
    path = f"/v2/models/{model}/generate_stream"
    given = {"text_input": PROMPT, "parameters": {"seed": 7, "max_tokens": 400}}
    pieces = events(fast, path, given)
    assert len(pieces) > 5 and "".join(piece["text_output"] for piece in pieces) == expected
    assert {piece["model_name"] for piece in pieces} == {model}
    whole = events(fast, path, given | {"stream": False})
    assert [piece["text_output"] for piece in whole] == [PROMPT + expected]


@pytest.mark.parametrize("action, body, message", [
    ("infer", {}, "text_input is missing"),
    ("infer", {"inputs": [{"name": "text_input", "datatype": "BYTES", "shape": [2], "data": ["a"]}]}, "1 elements where"),
    ("infer", {"inputs": [{"name": "text_input", "datatype": "BYTES", "shape": [1]}]}, "needs its elements"),
    ("infer", {"inputs": [{"name": "text_input", "datatype": "BYTES", "shape": [1], "data": ["a"],
                           "parameters": {"binary_data_size": 5}}]}, "has its elements twice"),
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
    ("generate", {"text_input": "a"} | {f"p{i}": i for i in range(1024)}, "parameters has 1025 members: at most 1024"),
    ("generate", {"text_input": "a", "parameters": {"": 1}}, '"" is not a parameter'),
    ("generate", {"text_input": "a", "random_seed": "x"}, "random_seed must be an integer"),
    ("generate", {"text_input": "a", "max_tokens": 1, "min_length": 9}, "min_length is 9"),
    ("generate", {"text_input": "a", "num_return_sequences": 99}, "num_return_sequences is 99"),
    ("generate", {"text_input": "a", "stop_words": ["a" * 2000]}, "stop_words[0] has 2000 bytes"),
    ("generate", {"text_input": "a", "end_id": -7}, "end_id is -7"),
    ("generate", {"text_input": "a", "stop_token_ids": [-1], "end_id": 5}, "stop_token_ids[0] is -1"),
    ("generate", {"text_input": "a", "stream": True}, "use ModelStreamInfer, or generate_stream"),
    ("generate", {"text_input": "a", "stream": "yes"}, "must be BOOL"),
    ("generate_stream", {"text_input": "a", "n": 2}, "n must be 1"),
    ("generate_stream", {"text_input": "a", "num_return_sequences": 2}, "num_return_sequences must be 1"),
    ("generate_stream", {"text_input": "a", "exclude_input_in_output": False}, "must be true"),
])
def test_refuses_by_name(fast, model, action, body, message):
    response = fast.http.post(f"/v2/models/{model}/{action}", json=body)
    assert response.status_code == 400, response.text
    assert message in response.json()["error"]


def infer_body(*inputs):
    return {"inputs": [{"name": name, "datatype": datatype, "shape": [len(data)], "data": data} for name, datatype, data in inputs]}


TEXT = ("text_input", "BYTES", ["a"])


@pytest.mark.parametrize("action, body, message", [
    ("generate", {"text_input": "a", "max_tokens": 5, "parameters": {"max_tokens": 6}}, "max_tokens is given twice"),
    ("generate", {"text_input": "a", "stop": "x", "stop_words": "y"}, "stop is given under two names"),
    ("generate", {"text_input": "a", "model": "other"}, "model is given twice"),
    ("generate", {"text_input": "a", "sampling_parameters": "{\"temperature\": 0.5}", "temperature": 1}, "temperature is given twice"),
    ("generate", {"text_input": "a", "stream": [True]}, "stream is a list; it must be BOOL"),
    ("generate", {"text_input": ["a"]}, "text_input must be BYTES"),
    ("generate", {"text_input": "a", "sampling_parameters": ["{}"]}, "sampling_parameters must be BYTES"),
    ("generate", {"text_input": "a", "sampling_parameters": "{\"sampling_parameters\": \"{}\"}"}, "holds itself"),
    ("generate", {"text_input": "a", "temperature": "warm"}, "temperature must be a number"),
    ("generate", {"text_input": "a", "ignore_eos": "maybe"}, "ignore_eos must be true or false"),
    ("generate", {"text_input": "a", "max_tokens": "3.5"}, "max_tokens must be an integer"),
    ("generate", {"text_input": "a", "beam_width": 3}, "beam_width"),
    ("generate", {"text_input": "a", "length_penalty": 2}, "length_penalty"),
    ("generate", {"text_input": "a", "end_id": "last"}, "end_id must be a token id"),
    ("generate", {"text_input": "a", "timeout": -1}, "timeout must be"),
    *(("generate", {"text_input": "a", name: True}, name) for name in (
        "return_log_probs", "return_finish_reason", "return_cumulative_logprob", "return_logprobs", "return_token_ids",
        "return_num_input_tokens", "return_num_output_tokens", "return_context_logits", "use_beam_search", "echo")),
    *(("generate", {"text_input": "a", name: 0}, name) for name in ("logprobs", "prompt_logprobs")),
    ("infer", infer_body(TEXT, TEXT), "text_input is there twice"),
    ("infer", infer_body(TEXT, ("max_tokens", "INT32", ["5"])), "max_tokens is said to be INT32 and has a string"),
    ("infer", infer_body(TEXT, ("max_tokens", "INT32", [1.5])), "has the number 1.5"),
    ("infer", infer_body(TEXT, ("stream", "BOOL", [1])), "stream is said to be BOOL"),
    *(("infer", infer_body(TEXT, ("max_tokens", datatype, [number])), f"max_tokens is said to be {datatype}") for
      datatype, number in (("UINT8", 256), ("UINT8", -1), ("INT8", 128), ("INT32", -1 << 32), ("UINT64", -1),
                           ("INT64", 1 << 63))),
    ("infer", infer_body(TEXT, ("timeout", "BYTES", ["x"])), "timeout must be a whole number of microseconds, 0 or more, not \"x\": a second is 1000000"),
    ("generate", {"text_input": "a", "timeout": 0.5}, "0 or more, not the number 0.5: a second is 1000000"),
    ("generate", {"text_input": "a", "timeout": "5s"}, "0 or more, not \"5s\""),
    ("generate", {"text_input": "a", "sampling_parameters": "{\"timeout\": -1}"}, "timeout must be"),
    ("infer", infer_body(TEXT, ("triton_enable_empty_final_response", "BYTES", ["perhaps"])), "must be BOOL"),
    ("infer", infer_body(TEXT) | {"outputs": [{}]}, "an output has no name"),
    *(("infer", {"inputs": [{name: value for name, value in tensor.items() if name != missing}]}, f"inputs[0].{missing} is missing")
      for tensor in infer_body(TEXT)["inputs"] for missing in ("name", "datatype", "shape")),
    ("infer", infer_body(("text_input", "BYTES", [1])), "text_input is said to be BYTES"),
    ("infer", infer_body(TEXT, ("temperature", "COMPLEX", [1])), "datatype COMPLEX"),
])
def test_refuses_what_would_be_guessed(fast, model, action, body, message):
    response = fast.http.post(f"/v2/models/{model}/{action}", json=body)
    assert response.status_code == 400 and message in response.json()["error"], response.text


def test_tensorrt_llms_example(fast, model):
    """The request of every page of TensorRT-LLM's backend, and what else its clients send."""
    path = f"/v2/models/{model}/generate"
    body = {"text_input": "What is machine learning?", "max_tokens": 20, "bad_words": "", "stop_words": ""}
    assert fast.http.post(path, json=body).status_code == 200
    for more in ({"pad_id": 2, "end_id": 2}, {"min_length": 1}, {"bad_words": ["x"]}, {"bad_words": "x"}, {"beam_width": 1},
                 {"stop_words": [""]}, {"return_log_probs": False}, {"length_penalty": 1.0, "early_stopping": False},
                 {"return_finish_reason": False}, {"num_return_sequences": 1}, {"stop_token_ids": "5"}):
        response = fast.http.post(path, json={"text_input": "a", "max_tokens": 2} | more)
        assert response.status_code == 200, response.text


def test_tensorrt_llms_names_have_their_effect(fast, model):
    def answer(**more):
        given = {"text_input": PROMPT, "max_tokens": 24, "seed": 7, "exclude_input_in_output": True} | more
        response = fast.http.post(f"/v2/models/{model}/generate", json=given)
        assert response.status_code == 200, response.text
        return response.json()["text_output"]

    ids = fast.complete(prompt=PROMPT, seed=7, max_tokens=24, return_token_ids=True)["choices"][0]["token_ids"]
    ended = over_http(fast, stop_token_ids=[ids[5]])
    assert len(ended) < len(answer()) and answer(end_id=ids[5]) == ended
    assert answer(end_id=ids[5], stop_token_ids=[ids[3]]) == over_http(fast, stop_token_ids=[ids[3]])
    refused = fast.http.post(f"/v2/models/{model}/generate", json={"text_input": "a", "max_tokens": 4, "min_length": 5})
    assert refused.status_code == 400 and "min_length is 5: it must be 0 to 4" in refused.json()["error"]
    assert len(answer(num_return_sequences=2)) == 2


def test_errors_are_strings_whoever_makes_them(fast):
    """Whatever goes wrong under /v2 must be readable to Triton's client."""
    with Server("--backend", "fake", "--api-key", "k") as server:
        for port, status in ((server.http_port, 401), (fast.http_port, 404)):
            with triton.InferenceServerClient(f"127.0.0.1:{port}") as client:
                with pytest.raises(InferenceServerException) as error:
                    client.get_log_settings()
                assert str(error.value).startswith(f"[{status}] ")
    for path, status in (("/v2/nothing", 404), ("/v2/health/live", 405), ("/v2", 405)):
        response = fast.http.post(path, json={})
        assert response.status_code == status and isinstance(response.json()["error"], str)
    too_large = fast.http.post("/v2/models/m/generate", content=b"a" * (8 << 20) + b"a")
    assert too_large.status_code == 413 and isinstance(too_large.json()["error"], str)
    assert isinstance(fast.http.get("/v22").json()["error"], dict)


def test_what_triton_has_and_this_server_has_not(client, model):
    for ask in (client.get_model_config, client.get_inference_statistics, client.get_trace_settings):
        for arguments in ([model], [model, "1"])[:1 if ask == client.get_trace_settings else 2]:
            with pytest.raises(InferenceServerException, match="not offered"):
                ask(*arguments)


def test_the_timeout_is_a_deadline(slow, client, model):
    given = {"text_input": "a", "max_tokens": 4000, "timeout": 300_000}
    response = slow.http.post(f"/v2/models/{model}/generate", json=given)
    assert response.status_code == 504 and "deadline" in response.json()["error"]
    slow.wait_until_free()
    assert client.infer(model, [tensor("text_input", "a"), tensor("max_tokens", 2)], timeout=50_000_000).as_numpy("text_output").size
    assert client.infer(model, [tensor("text_input", "a"), tensor("max_tokens", 2)], timeout=0).as_numpy("text_output").size


def test_ids_come_back_whole(fast, model):
    given = {"text_input": "a", "max_tokens": 1, "id": "a\0b"}
    assert fast.http.post(f"/v2/models/{model}/generate", json=given).json()["id"] == "a\0b"


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
    text = fast.http.post(path, content=head + b"\1\0\0\0\xff", headers={"inference-header-content-length": str(len(head))})
    assert text.status_code == 400 and "text_input is not UTF-8" in text.json()["error"]
    good = fast.http.post(path, content=head + b"\1\0\0\0a", headers={"inference-header-content-length": str(len(head))})
    assert good.status_code == 200, good.text
    alone = json.dumps({"inputs": [{"name": "text_input", "datatype": "BYTES", "shape": [1], "data": ["a"]}]}).encode()
    good = fast.http.post(path, content=alone, headers={"inference-header-content-length": str(len(alone))})
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
