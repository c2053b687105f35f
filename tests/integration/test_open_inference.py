"""The Open Inference Protocol over gRPC, with Triton's own client."""

import asyncio
import json
import queue

import grpc
import numpy as np
import pytest
import tritonclient.grpc as triton
import tritonclient.grpc.aio as triton_aio
from tritonclient.grpc import service_pb2, service_pb2_grpc
from tritonclient.utils import InferenceServerException

from server import PATIENCE_S, Server

PROMPT = "It was a dark and stormy night"


@pytest.fixture(scope="module")
def client(fast):
    with triton.InferenceServerClient(f"127.0.0.1:{fast.grpc_port}") as client:
        yield client


@pytest.fixture(scope="module")
def model(fast):
    return fast.http.get("/v1/models").json()["data"][0]["id"]


def tensor(name, value):
    array = np.array([value.encode()], dtype=object) if isinstance(value, str) else np.array([value])
    datatype = {"O": "BYTES", "b": "BOOL", "i": "INT64", "f": "FP64"}[array.dtype.kind]
    made = triton.InferInput(name, array.shape, datatype)
    made.set_data_from_numpy(array)
    return made


def inputs(prompt=PROMPT, **members):
    return [tensor("text_input", prompt)] + [tensor(name, value) for name, value in members.items()]


def text_of(result):
    return result.as_numpy("text_output")[0].decode()


def stream(client, model, requests):
    """Sends every (inputs, keywords), closes, and gives the responses in order as (id, text, last) or an exception."""
    answers = queue.Queue()
    client.start_stream(lambda result, error: answers.put(error or result))
    for given, keywords in requests:
        client.async_stream_infer(model, given, **keywords)
    client.stop_stream()
    out = []
    while not answers.empty():
        answer = answers.get()
        if isinstance(answer, Exception):
            out.append(answer)
            continue
        response = answer.get_response()
        text = text_of(answer) if response.outputs else None
        out.append((response.id, text, response.parameters["triton_final_response"].bool_param))
    return out


def over_http(fast, **members):
    body = {"prompt": PROMPT, "seed": 7, "max_tokens": 24} | members
    response = fast.http.post("/v1/completions", json=body)
    assert response.status_code == 200, response.text
    return response.json()["choices"][0]["text"]


def test_health_and_metadata(client, model):
    assert client.is_server_live() and client.is_server_ready()
    assert client.is_model_ready(model) and client.is_model_ready(model, "1")
    assert client.get_server_metadata().name == "batucada" and client.get_server_metadata().extensions == ["model_repository"]
    assert client.get_model_metadata("").name == model
    metadata = client.get_model_metadata(model)
    assert {t.name: t.datatype for t in metadata.inputs}["text_input"] == "BYTES"
    assert [t.name for t in metadata.outputs] == ["text_output"]
    assert [m.name for m in client.get_model_repository_index().models] == [model]
    with pytest.raises(InferenceServerException, match="does not exist"):
        client.get_model_metadata("nobody")
    with pytest.raises(InferenceServerException, match="version 1 only"):
        client.is_model_ready(model, "7")


def test_a_pattern_of_names_is_no_model_of_the_index():
    with Server("--backend", "fake", "--served-model-name", "mine", "--served-model-name", "gpt-*") as server:
        with triton.InferenceServerClient(f"127.0.0.1:{server.grpc_port}") as client:
            assert [m.name for m in client.get_model_repository_index().models] == ["mine"]
            assert client.is_model_ready("gpt-5")


def test_says_the_same_as_http(fast, client, model):
    expected = over_http(fast)
    sampling = json.dumps({"seed": 7, "max_tokens": 24})
    given = inputs(sampling_parameters=sampling, exclude_input_in_output=True)
    result = client.infer(model, given, request_id="mine")
    assert text_of(result) == expected
    assert result.get_response().id == "mine"
    # The prompt comes first unless it is excluded; parameters may also be tensors or the request's own.
    assert text_of(client.infer(model, inputs(seed=7, max_tokens=24))) == PROMPT + expected
    assert text_of(client.infer(model, inputs(), parameters={"seed": 7, "max_tokens": 24})) == PROMPT + expected


def test_what_tensors_cannot_have_is_refused(client, model):
    classes = triton.InferRequestedOutput("text_output", class_count=3)
    with pytest.raises(InferenceServerException, match=r"outputs\[0\].parameters.classification is not a parameter"):
        client.infer(model, inputs(), outputs=[classes])
    output = triton.InferRequestedOutput("text_output")
    output.set_shared_memory("region", 8)
    with pytest.raises(InferenceServerException, match=r"outputs\[0\].parameters.shared_memory_"):
        client.infer(model, inputs(), outputs=[output])
    given = inputs()
    given[0].set_shared_memory("region", 8)
    with pytest.raises(InferenceServerException, match=r"inputs\[0\].parameters.shared_memory_"):
        client.infer(model, given)
    bare = service_pb2.ModelInferRequest(model_name=model)
    bare.parameters["temperature"].CopyFrom(service_pb2.InferParameter())
    with pytest.raises(grpc.RpcError, match="temperature has no value"):
        client._client_stub.ModelInfer(bare)


def test_many_choices(client, model):
    result = client.infer(model, inputs(seed=7, n=3, max_tokens=5, exclude_input_in_output=True))
    assert len(set(result.as_numpy("text_output"))) == 3


def test_streams(fast, client, model):
    expected = over_http(fast, max_tokens=400)
    answers = stream(client, model, [(inputs(stream=True, seed=7, max_tokens=400), {"request_id": "a"})])
    assert "".join(text for _, text, _ in answers) == expected
    assert len(answers) > 5 and {id for id, _, _ in answers} == {"a"}
    assert [last for _, _, last in answers] == [False] * (len(answers) - 1) + [True]
    first = fast.complete(prompt=PROMPT, seed=7, max_tokens=1, return_token_ids=True)["choices"][0]["token_ids"]
    assert over_http(fast, stop_token_ids=first) == ""
    asked = inputs(stream=True, seed=7, max_tokens=24, stop_token_ids=first[0])
    assert stream(client, model, [(asked, {"request_id": "b"})]) == [("b", "", True)], "it ends without a text, too"


def test_empty_final_response(client, model):
    answers = stream(client, model, [(inputs(stream=True, max_tokens=4), {"enable_empty_final_response": True})])
    assert answers[-1][1:] == (None, True)
    assert not any(last for _, _, last in answers[:-1])
    whole = stream(client, model, [(inputs(stream=False, max_tokens=4), {})])
    assert len(whole) == 1 and whole[0][1].startswith(PROMPT) and whole[0][2]


def test_requests_of_one_stream_run_side_by_side(fast, client, model):
    expected = {str(seed): over_http(fast, seed=seed) for seed in range(100)}
    requests = [(inputs(stream=True, seed=seed, max_tokens=24), {"request_id": str(seed)}) for seed in range(100)]
    texts = dict.fromkeys(expected, "")
    for id, text, _ in stream(client, model, requests):
        texts[id] += text
    assert texts == expected


@pytest.mark.parametrize("given, says", [
    ([], "text_input is missing"),
    ([tensor("", "a")], r"inputs\[0\]\.name is missing"),
    (inputs(temperature=9.0), "temperature"),
    (inputs(sampling_parameters="{"), "must hold a JSON object"),
    (inputs(sampling_parameters='{"max_tokens": "ten"}'), "max_tokens"),
    (inputs(nonsense=1), "nonsense"),
    (inputs(stream=True), "use ModelStreamInfer"),
    (inputs(stream=1), "must be BOOL"),
    ([tensor("text_input", 1)], "must be BYTES"),
    (inputs() + inputs("b"), "text_input is there twice"),
    (inputs(return_log_probs=True), "return_log_probs"),
    (inputs(beam_width=2), "beam_width"),
])
def test_bad_requests_say_what_is_wrong(client, model, given, says):
    with pytest.raises(InferenceServerException, match=says) as error:
        client.infer(model, given)
    assert error.value.status() == "StatusCode.INVALID_ARGUMENT"


def test_parameters_have_a_bound(client, model):
    with pytest.raises(InferenceServerException, match="parameters has 1025 members: at most 1024"):
        client.infer(model, inputs(), parameters={f"p{i}": i for i in range(1025)})


def test_a_bad_request_does_not_end_its_stream(fast, client, model):
    good = inputs(stream=True, seed=7, max_tokens=24)
    answers = stream(client, model, [(inputs(temperature=9.0), {}), (good, {"request_id": "good"})])
    assert isinstance(answers[0], InferenceServerException) and "temperature" in str(answers[0])
    assert "".join(text for _, text, _ in answers[1:]) == over_http(fast)


def test_text_that_is_none(client, model):
    broken = inputs()
    broken[0]._raw_content = b"\x02\x00\x00\x00a\xff"
    with pytest.raises(InferenceServerException, match="text_input is not UTF-8 at its byte 1"):
        client.infer(model, broken)


def test_raw_bytes_that_do_not_fit_their_shape(client, model):
    broken = inputs()
    for content in (b"", b"\x04\x00\x00", b"\xff\xff\xff\xff", b"\x00\x00\x00\x00more"):
        broken[0]._raw_content = content
        with pytest.raises(InferenceServerException, match="text_input"):
            client.infer(model, broken)


def test_raw_bytes_of_a_part_of_the_tensors(fast, model):
    """By the protocol's own messages: no client library sends so."""
    some = inputs(max_tokens=4)
    request = service_pb2.ModelInferRequest(model_name=model, inputs=[one._get_tensor() for one in some])
    with grpc.insecure_channel(f"127.0.0.1:{fast.grpc_port}") as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        for raw in ([some[0]._raw_content], [one._raw_content for one in some] + [b""]):
            del request.raw_input_contents[:]
            request.raw_input_contents.extend(raw)
            with pytest.raises(grpc.RpcError) as error:
                stub.ModelInfer(request, timeout=PATIENCE_S)
            assert error.value.code() == grpc.StatusCode.INVALID_ARGUMENT
            assert f"raw_input_contents has {len(raw)} tensors and inputs 2" in error.value.details()


def test_elements_that_are_told_twice(client, model):
    broken = inputs()
    assert broken[0]._raw_content
    broken[0]._get_tensor().contents.bytes_contents.append(b"another")
    with pytest.raises(InferenceServerException, match="text_input has contents beside raw_input_contents") as error:
        client.infer(model, broken)
    assert error.value.status() == "StatusCode.INVALID_ARGUMENT"


def test_a_cancelled_stream_frees_its_sequences(slow):
    model = slow.http.get("/v1/models").json()["data"][0]["id"]
    with triton.InferenceServerClient(f"127.0.0.1:{slow.grpc_port}") as client:
        client.start_stream(lambda result, error: None)
        client.async_stream_infer(model, inputs(stream=True, max_tokens=2000))
        slow.wait_for_metric("batucada_requests_running", 1)
        client.stop_stream(cancel_requests=True)
    slow.wait_until_free()


def test_deadlines(slow):
    """The client's timeout is the call's deadline: what it no longer waits for, the server no longer makes."""
    model = slow.http.get("/v1/models").json()["data"][0]["id"]
    with triton.InferenceServerClient(f"127.0.0.1:{slow.grpc_port}") as client:
        with pytest.raises(InferenceServerException, match="(?i)deadline"):
            client.infer(model, inputs(max_tokens=4000), client_timeout=0.5)
    slow.wait_until_free()


def test_shapes_of_batching_backends(fast, client, model):
    """TensorRT-LLM's clients send [1, 1]."""
    given = []
    for name, value, datatype in (("text_input", PROMPT.encode(), "BYTES"), ("max_tokens", 24, "INT32"), ("random_seed", 7, "UINT64")):
        kind = {"BYTES": object, "INT32": np.int32, "UINT64": np.uint64}[datatype]
        given.append(triton.InferInput(name, [1, 1], datatype))
        given[-1].set_data_from_numpy(np.array([[value]], dtype=kind))
    assert text_of(client.infer(model, given)) == PROMPT + over_http(fast)


def test_numbers_as_strings_as_tritons_vllm_backend_takes_them(fast, client, model):
    """Its client sends them so in both places."""
    expected = over_http(fast, temperature=0.1, top_p=0.95, max_tokens=5, ignore_eos=True)
    sampling = {"temperature": "0.1", "top_p": "0.95", "max_tokens": "5", "ignore_eos": "True"}
    body = {"text_input": PROMPT, "exclude_input_in_output": True, "seed": "7"}
    for parameters in (sampling, {"sampling_parameters": json.dumps(sampling)}):
        response = fast.http.post(f"/v2/models/{model}/generate", json=body | {"parameters": parameters})
        assert response.status_code == 200 and response.json()["text_output"] == expected, response.text
    given = inputs(exclude_input_in_output=True, seed=7)
    assert text_of(client.infer(model, given, parameters=sampling)) == expected
    given.append(tensor("sampling_parameters", json.dumps(sampling)))
    assert text_of(client.infer(model, given)) == expected
    assert text_of(client.infer(model, given, parameters=sampling)) == expected
    assert text_of(client.infer(model, given, parameters={"temperature": 0.1, "max_tokens": 5})) == expected
    with pytest.raises(InferenceServerException, match="max_tokens is given twice"):
        client.infer(model, given, parameters={"max_tokens": 6})


def test_a_list_of_one(fast, client, model):
    expected = over_http(fast, bad_words=["the"], stop_token_ids=[5], allowed_token_ids=[300])
    given = inputs(exclude_input_in_output=True, seed=7, max_tokens=24, bad_words="the", stop_token_ids=5, allowed_token_ids=300)
    assert text_of(client.infer(model, given)) == expected


def test_the_timeout_is_a_deadline(slow):
    model = slow.http.get("/v1/models").json()["data"][0]["id"]
    with triton.InferenceServerClient(f"127.0.0.1:{slow.grpc_port}") as client:
        with pytest.raises(InferenceServerException, match="deadline") as error:
            client.infer(model, inputs(max_tokens=4000), timeout=300_000)
        assert error.value.status() == "StatusCode.DEADLINE_EXCEEDED"
    slow.wait_until_free()


def test_what_triton_has_and_this_server_has_not(client, model):
    for ask in (client.get_model_config, client.get_inference_statistics, client.load_model):
        with pytest.raises(InferenceServerException, match="is not offered by this server") as error:
            ask(model)
        assert error.value.status() == "StatusCode.UNIMPLEMENTED"


def test_the_asyncio_client(fast, model):
    async def ask():
        async def requests():
            yield {"model_name": model, "inputs": inputs(stream=True, seed=7, max_tokens=24), "request_id": "only"}
        text = ""
        async with triton_aio.InferenceServerClient(f"127.0.0.1:{fast.grpc_port}") as client:
            whole = text_of(await client.infer(model, inputs(seed=7, max_tokens=24, exclude_input_in_output=True)))
            async for result, error in client.stream_infer(requests()):
                assert error is None
                text += text_of(result)
        return whole, text
    expected = over_http(fast)
    assert asyncio.run(ask()) == (expected, expected)


def test_keys():
    with Server("--backend", "fake", "--api-key", "secret") as server:
        with triton.InferenceServerClient(f"127.0.0.1:{server.grpc_port}") as client:
            assert client.is_server_ready()
            model = server.http.get("/v1/models", headers={"authorization": "Bearer secret"}).json()["data"][0]["id"]
            with pytest.raises(InferenceServerException, match="API key"):
                client.infer(model, inputs())
            assert client.infer(model, inputs(), headers={"authorization": "Bearer secret"}).as_numpy("text_output").size
