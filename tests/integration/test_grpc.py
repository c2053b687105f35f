"""batucada.v1 through grpcio, with health checking and reflection."""

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from server import PATIENCE_S, wait_until

PROMPT = "It was a dark and stormy night"


class Client:
    def __init__(self, server, stubs):
        self.pb, services = stubs
        self.channel = grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}", options=[("grpc.enable_http_proxy", 0)])
        self.stub = services.InferenceStub(self.channel)

    def generate(self, timeout=PATIENCE_S, metadata=None, **fields):
        return self.stub.Generate(self.pb.GenerateRequest(**fields), timeout=timeout, metadata=metadata)

    def error(self, **fields):
        with pytest.raises(grpc.RpcError) as error:
            list(self.generate(**fields))
        return error.value


@pytest.fixture
def client(fast, stubs):
    client = Client(fast, stubs)
    yield client
    client.channel.close()


@pytest.fixture
def slow_client(slow, stubs):
    client = Client(slow, stubs)
    yield client
    client.channel.close()
    slow.wait_until_free()


def test_says_the_same_as_http(fast, client):
    pb = client.pb
    whole = fast.complete(prompt=PROMPT, n=2, seed=5, max_tokens=30, return_token_ids=True)
    messages = list(client.generate(text=PROMPT, n=2, max_tokens=30, sampling=pb.SamplingOptions(seed=5)))
    for index, choice in enumerate(whole["choices"]):
        mine = [message for message in messages if message.index == index]
        assert "".join(message.text for message in mine) == choice["text"]
        assert [token.id for message in mine for token in message.tokens] == choice["token_ids"]
        assert [message.finish_reason for message in mine if message.finish_reason] == [pb.FINISH_REASON_LENGTH]
    assert [message.HasField("usage") for message in messages].count(True) == 1
    assert messages[-1].usage.prompt_tokens == whole["usage"]["prompt_tokens"]
    assert messages[-1].usage.completion_tokens == 60


def test_token_ids_echo_and_logprobs(client):
    pb = client.pb
    messages = list(client.generate(token_ids=pb.TokenIds(ids=[0, 5, 6]), max_tokens=4,
                                    output=pb.OutputOptions(logprobs=2, prompt_logprobs=1, echo=True)))
    tokens = [token for message in messages for token in message.tokens]
    scored = [token for message in messages for token in message.prompt_tokens]
    assert [token.id for token in scored] == [5, 6]
    assert len(tokens) == 4 and all(token.logprob < 0 and token.rank >= 1 and len(token.top_logprobs) == 2 for token in tokens)


def test_stop_string(fast, client):
    pb = client.pb
    whole = fast.complete(prompt=PROMPT, temperature=0, max_tokens=32)["choices"][0]["text"]
    stop = whole[20:26]
    messages = list(client.generate(text=PROMPT, max_tokens=32, sampling=pb.SamplingOptions(temperature=0),
                                    stopping=pb.StopOptions(stop=[stop])))
    assert "".join(message.text for message in messages) == whole[:whole.index(stop)]
    assert (messages[-1].finish_reason, messages[-1].stop_string) == (pb.FINISH_REASON_STOP, stop)


def test_request_id(client):
    call = client.generate(text=PROMPT, metadata=[("x-request-id", "mine-2")])
    assert dict(call.initial_metadata())["x-request-id"] == "mine-2"
    list(call)


def test_errors(client):
    pb = client.pb
    for fields, code, details in [
        ({}, grpc.StatusCode.INVALID_ARGUMENT, "prompt"),
        ({"text": "a", "max_tokens": 0}, grpc.StatusCode.INVALID_ARGUMENT, "max_tokens"),
        ({"text": "a", "n": 17}, grpc.StatusCode.INVALID_ARGUMENT, "1 to 16"),
        ({"text": "a", "sampling": pb.SamplingOptions(top_p=2)}, grpc.StatusCode.INVALID_ARGUMENT, "top_p"),
        ({"text": "a", "sampling": pb.SamplingOptions(temperature=float("nan"))}, grpc.StatusCode.INVALID_ARGUMENT, "nan"),
        ({"token_ids": pb.TokenIds(ids=[1, 9999])}, grpc.StatusCode.INVALID_ARGUMENT, "prompt[1]"),
        ({"text": "a", "model": "gpt-4"}, grpc.StatusCode.NOT_FOUND, "gpt-4"),
        ({"text": "a" * (9 << 20)}, grpc.StatusCode.RESOURCE_EXHAUSTED, "message"),
    ]:
        error = client.error(**fields)
        assert (error.code(), details in error.details()) == (code, True), error


def test_model_info(client):
    info = client.stub.GetModelInfo(client.pb.GetModelInfoRequest(), timeout=PATIENCE_S)
    assert list(info.names) == ["samba-classics-18m"] and info.backend == "fake"
    assert info.vocabulary_size == 8192 and info.attention_window_tokens == 512 and info.parameters > 17e6
    assert info.limits.max_choices == 16 and info.limits.max_total_tokens == 1048576
    with pytest.raises(grpc.RpcError) as error:
        client.stub.GetModelInfo(client.pb.GetModelInfoRequest(model="x"), timeout=PATIENCE_S)
    assert error.value.code() == grpc.StatusCode.NOT_FOUND


def test_cancel_frees_at_once(slow, slow_client):
    call = slow_client.generate(text=PROMPT, max_tokens=100_000)
    next(call)
    assert slow.metric("batucada_recurrent_slots_used") == 1
    start = slow.metric("batucada_steps_total")
    call.cancel()
    slow.wait_until_free()
    assert slow.metric("batucada_steps_total") - start <= 5
    wait_until(lambda: 'batucada_grpc_calls_total{method="Generate",code="1"}' in slow.metrics(), "the call to be counted")


def test_deadline(slow, slow_client):
    call = slow_client.generate(text=PROMPT, max_tokens=100_000, timeout=0.5)
    with pytest.raises(grpc.RpcError) as error:
        list(call)
    assert error.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    slow.wait_until_free()


def test_full_queue(slow, slow_client):
    calls = []
    for number in range(5):
        calls.append(slow_client.generate(text=PROMPT, max_tokens=100_000))
        slow.wait_for_metric("batucada_requests_running", min(number + 1, 2))
        slow.wait_for_metric("batucada_requests_waiting", max(number - 1, 0))
    assert slow_client.error(text=PROMPT).code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    for call in calls:
        call.cancel()


def test_health_and_reflection(client):
    health = health_pb2_grpc.HealthStub(client.channel)
    for service in ("", "batucada.v1.Inference"):
        answer = health.Check(health_pb2.HealthCheckRequest(service=service), timeout=PATIENCE_S)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    services = ProtoReflectionDescriptorDatabase(client.channel).get_services()
    assert {"batucada.v1.Inference", "grpc.health.v1.Health"} <= set(services)
