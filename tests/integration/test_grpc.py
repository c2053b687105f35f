"""batucada.v1 through grpcio, with health checking."""

import concurrent.futures
import json

import grpc
import openai
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from server import PATIENCE_S, Server, wait_until

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
    call = client.generate(text=PROMPT, metadata=[("x-request-id", "first"), ("x-request-id", "second")])
    assert [value for name, value in call.initial_metadata() if name == "x-request-id"] == ["first"]
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
    call.cancel()
    start = slow.metric("batucada_steps_total")  # after it: how long this took is not the server's doing
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


def test_health(client):
    health = health_pb2_grpc.HealthStub(client.channel)
    for service in ("", "batucada.v1.Inference", "inference.GRPCInferenceService"):
        request = health_pb2.HealthCheckRequest(service=service)
        assert health.Check(request, timeout=PATIENCE_S).status == health_pb2.HealthCheckResponse.SERVING
        watch = health.Watch(request, timeout=PATIENCE_S)
        assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
        watch.cancel()
    unknown = health_pb2.HealthCheckRequest(service="x")
    with pytest.raises(grpc.RpcError) as error:
        health.Check(unknown, timeout=PATIENCE_S)
    assert error.value.code() == grpc.StatusCode.NOT_FOUND
    assert next(health.Watch(unknown, timeout=PATIENCE_S)).status == health_pb2.HealthCheckResponse.SERVICE_UNKNOWN


def test_calls_that_are_not_there_are_told_so(client):
    call = client.channel.unary_unary("/batucada.v1.Inference/Sing")
    with pytest.raises(grpc.RpcError, match="/batucada.v1.Inference/Sing is not offered by this server") as error:
        call(b"", timeout=PATIENCE_S)
    assert error.value.code() == grpc.StatusCode.UNIMPLEMENTED


def test_complete_is_generate_in_one_message(client):
    pb = client.pb
    fields = dict(text=PROMPT, n=2, max_tokens=9, sampling=pb.SamplingOptions(seed=5),
                  output=pb.OutputOptions(logprobs=1, prompt_logprobs=0, echo=True))
    messages = list(client.generate(**fields))
    whole = client.stub.Complete(pb.GenerateRequest(**fields), timeout=PATIENCE_S)
    for index, choice in enumerate(whole.choices):
        mine = [message for message in messages if message.index == index]
        assert choice.text == "".join(message.text for message in mine)
        assert list(choice.tokens) == [token for message in mine for token in message.tokens]
        assert choice.finish_reason == pb.FINISH_REASON_LENGTH
    scored = [token for message in messages if message.index == 0 for token in message.prompt_tokens]
    assert list(whole.prompt_tokens) == scored
    assert whole.usage == messages[-1].usage
    with pytest.raises(grpc.RpcError) as error:
        client.stub.Complete(pb.GenerateRequest(text=PROMPT, n=0))
    assert error.value.code() == grpc.StatusCode.INVALID_ARGUMENT


def test_chat_says_the_same_as_http(fast, client):
    pb = client.pb
    conversation = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Who are you?"}]
    body = {"messages": conversation, "seed": 5, "max_tokens": 30}
    whole = fast.http.post("/v1/chat/completions", json=body).json()

    def chat(**fields):
        request = pb.ChatRequest(messages=[pb.ChatMessage(**message) for message in conversation], max_tokens=30,
                                 sampling=pb.SamplingOptions(seed=5), **fields)
        return list(client.stub.Chat(request, timeout=PATIENCE_S))
    messages = chat()
    assert "".join(message.text for message in messages) == whole["choices"][0]["message"]["content"]
    assert messages[-1].usage.prompt_tokens == whole["usage"]["prompt_tokens"]
    closed = chat(ending=pb.CONVERSATION_ENDING_CLOSED)
    assert closed[-1].usage.prompt_tokens < messages[-1].usage.prompt_tokens
    for wrong, says in ((dict(messages=[]), "messages"),
                        (dict(messages=[pb.ChatMessage(role="user", content="x")], ending=9), "ending is 9"),
                        (dict(messages=[pb.ChatMessage(role="king", content="x")]), r"messages\[0\].role")):
        with pytest.raises(grpc.RpcError, match=says) as error:
            list(client.stub.Chat(pb.ChatRequest(**wrong)))
        assert error.value.code() == grpc.StatusCode.INVALID_ARGUMENT


def test_logit_controls_say_the_same_as_http(client, stubs):
    """Each alone changes the text, and just as it does over HTTP."""
    pb = client.pb
    with Server("--backend", "cpu") as server:
        mine = Client(server, stubs)
        plain = server.complete(prompt=PROMPT, max_tokens=20, temperature=0)["choices"][0]["text"]
        for control in ({"presence_penalty": 2.0}, {"frequency_penalty": 2.0}, {"repetition_penalty": 1.5},
                        {"logit_bias": {17: 100.0}}, {"allowed_token_ids": [40, 50]}, {"bad_words": [plain.split()[0]]}):
            body = dict(control)
            if "logit_bias" in body:
                body["logit_bias"] = {str(id): bias for id, bias in body["logit_bias"].items()}
            expected = server.complete(prompt=PROMPT, max_tokens=20, temperature=0, **body)["choices"][0]["text"]
            sampling = pb.SamplingOptions(temperature=0, **control)
            text = "".join(m.text for m in mine.generate(text=PROMPT, max_tokens=20, sampling=sampling))
            assert text == expected != plain, control
        stopping = pb.StopOptions(stop=[plain[5:9]], include_stop_string=True)
        messages = list(mine.generate(text=PROMPT, max_tokens=20, sampling=pb.SamplingOptions(temperature=0), stopping=stopping))
        assert "".join(m.text for m in messages) == plain[:plain.index(plain[5:9]) + 4]
        stopping.min_tokens = 20
        messages = list(mine.generate(text=PROMPT, max_tokens=20, sampling=pb.SamplingOptions(temperature=0), stopping=stopping))
        assert "".join(m.text for m in messages) == plain
        kept = list(mine.generate(text=PROMPT, max_tokens=1, truncate_prompt_tokens=3))
        assert kept[-1].usage.prompt_tokens == 3
        mine.channel.close()


def test_tokenize_and_detokenize(fast, client):
    pb = client.pb
    ids = fast.http.post("/tokenize", json={"prompt": PROMPT}).json()["tokens"]
    assert list(client.stub.Tokenize(pb.TokenizeRequest(text=PROMPT)).ids) == ids
    plain = client.stub.Tokenize(pb.TokenizeRequest(text=PROMPT, plain=True)).ids
    assert client.stub.Detokenize(pb.DetokenizeRequest(ids=plain)).text == PROMPT
    with pytest.raises(grpc.RpcError, match="ids") as error:
        client.stub.Detokenize(pb.DetokenizeRequest(ids=[-1]))
    assert error.value.code() == grpc.StatusCode.INVALID_ARGUMENT


def test_abort_ends_a_request_of_either_wire(slow, slow_client):
    pb = slow_client.pb
    call = slow_client.generate(text=PROMPT, n=2, max_tokens=2000, metadata=[("x-request-id", "both")])
    next(call)
    assert slow_client.stub.Abort(pb.AbortRequest(request_id="nobody")).aborted == 0
    assert slow_client.stub.Abort(pb.AbortRequest(request_id="both")).aborted == 2
    with pytest.raises(grpc.RpcError) as error:
        list(call)
    assert error.value.code() == grpc.StatusCode.CANCELLED
    slow.wait_until_free()

    body = {"prompt": PROMPT, "max_tokens": 2000, "stream": True}
    with slow.http.stream("POST", "/v1/completions", json=body, headers={"x-request-id": "web"}) as response:
        lines = response.iter_lines()
        next(lines)
        assert slow_client.stub.Abort(pb.AbortRequest(request_id="web")).aborted == 1
        ended, error = [line for line in lines if line][-2:]
    slow.wait_until_free()
    # The error is the last that comes: [DONE] would say that the text is whole.
    assert '"finish_reason":"cancelled"' in ended
    assert json.loads(error.removeprefix("data: "))["error"]["code"] == "cancelled"
    assert slow_client.stub.Abort(pb.AbortRequest(request_id="web")).aborted == 0


def test_an_aborted_request_is_told_so(slow, slow_client):
    """And OpenAI's client does not send it once more."""
    def abort():
        request = slow_client.pb.AbortRequest(request_id="whole")
        wait_until(lambda: slow_client.stub.Abort(request).aborted == 1, "the request to run")
    for path, body in (("/v1/completions", {"prompt": PROMPT}), ("/v2/models/samba-classics-18m/generate", {"text_input": PROMPT})):
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            answer = pool.submit(slow.http.post, path, json={**body, "max_tokens": 2000}, headers={"x-request-id": "whole"})
            abort()
        response = answer.result()
        assert response.status_code == 409 and response.headers["x-should-retry"] == "false"
        error = response.json()["error"]
        assert "Abort" in str(error)
        assert isinstance(error, str) or (error["type"], error["code"]) == ("cancelled_error", "cancelled")
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        create = slow.openai().with_options(max_retries=2).completions.create
        answer = pool.submit(create, model="", prompt=PROMPT, max_tokens=2000, extra_headers={"x-request-id": "whole"})
        abort()
    with pytest.raises(openai.ConflictError, match="Abort"):
        answer.result()


def test_server_info(slow, slow_client):
    pb = slow_client.pb
    call = slow_client.generate(text=PROMPT, max_tokens=2000)
    next(call)
    info = slow_client.stub.GetServerInfo(pb.GetServerInfoRequest())
    assert (info.ready, info.alive, info.reason, info.running, info.waiting) == (True, True, "", 1, 0)
    assert info.slots_used == 1 and info.slots_total == 2 and 0 < info.uptime_seconds < 3600
    call.cancel()


def test_deadlines_of_the_other_calls(slow, slow_client):
    pb, stub = slow_client.pb, slow_client.stub
    with pytest.raises(grpc.RpcError) as error:
        stub.Complete(pb.GenerateRequest(text=PROMPT, max_tokens=100_000), timeout=0.5)
    assert error.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    slow.wait_until_free()
    with pytest.raises(grpc.RpcError) as error:
        list(stub.Chat(pb.ChatRequest(messages=[pb.ChatMessage(role="user", content="a")], max_tokens=100_000), timeout=0.5))
    assert error.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    slow.wait_until_free()


def test_cancelling_a_unary_call_frees_at_once(slow, slow_client):
    pb = slow_client.pb
    call = slow_client.stub.Complete.future(pb.GenerateRequest(text=PROMPT, max_tokens=100_000))
    slow.wait_for_metric("batucada_requests_running", 1)
    call.cancel()
    slow.wait_until_free()


def test_traces_reach_the_log(fast, client):
    trace = "4bf92f3577b34da6a3ce929d0e0e4737"
    list(client.generate(text=PROMPT, max_tokens=1, metadata=[("x-request-id", "traced-grpc"),
                                                              ("traceparent", f"00-{trace}-00f067aa0ba902b7-01")]))
    wait_until(lambda: f'"id":"traced-grpc","api":"grpc.generate","trace":"{trace}"' in fast.log(), "the line in the log")
    call = client.generate(text=PROMPT, max_tokens=1, metadata=[("x-request-id", "two words")])
    assert dict(call.initial_metadata())["x-request-id"] != "two words"
    list(call)


def test_limits_are_named_with_value_and_bound(client):
    """As over HTTP, and for what only protobuf can say: numbers that are none."""
    pb = client.pb
    for fields, says in [
        ({"sampling": pb.SamplingOptions(logit_bias={5: float("nan")})}, "logit_bias.5 is nan"),
        ({"sampling": pb.SamplingOptions(logit_bias={-5: 1})}, "token id -5: ids of this model are 0 to 8191"),
        ({"sampling": pb.SamplingOptions(repetition_penalty=float("inf"))}, "repetition_penalty is inf"),
        ({"sampling": pb.SamplingOptions(allowed_token_ids=[8192])}, "allowed_token_ids[0] is 8192"),
        ({"stopping": pb.StopOptions(stop=["a"] * 17)}, "stop has 17 strings: at most 16"),
        ({"stopping": pb.StopOptions(stop_token_ids=[-1])}, "stop_token_ids[0] is -1"),
        ({"output": pb.OutputOptions(logprobs=21)}, "logprobs is 21: it must be 0 to 20"),
        ({"output": pb.OutputOptions(prompt_logprobs=-1)}, "prompt_logprobs is -1"),
        ({"truncate_prompt_tokens": 0}, "truncate_prompt_tokens is 0"),
        ({"priority": 1001}, "priority is 1001: it must be -1000 to 1000"),
    ]:
        error = client.error(text="a", **fields)
        assert (error.code(), says in error.details()) == (grpc.StatusCode.INVALID_ARGUMENT, True), error


def test_special_tokens_show_if_asked_for(client, stubs):
    pb = client.pb
    with Server("--backend", "cpu") as server:
        mine = Client(server, stubs)
        for show, text in ((False, ""), (True, "<|endoftext|>" * 2)):
            messages = list(mine.generate(text="Hi", max_tokens=2, output=pb.OutputOptions(show_special_tokens=show),
                                          sampling=pb.SamplingOptions(temperature=0, logit_bias={0: 100}),
                                          stopping=pb.StopOptions(ignore_eos=True)))
            assert "".join(message.text for message in messages) == text
        ended = list(mine.generate(text="Hi", max_tokens=2, sampling=pb.SamplingOptions(temperature=0, logit_bias={0: 100})))
        assert ended[-1].finish_reason == pb.FINISH_REASON_STOP and ended[-1].usage.completion_tokens == 1
        mine.channel.close()
