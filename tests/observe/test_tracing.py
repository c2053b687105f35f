"""Spans of requests, as a collector gets them."""

import json
import re
import struct
import time

import grpc
import pytest
from tritonclient.grpc import service_pb2, service_pb2_grpc

from collector import Collector, attributes
from server import Server, run, wait_until

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
FAKE = ("--backend", "fake", "--fake-step-time", "2ms")


@pytest.fixture(scope="module")
def collector():
    with Collector() as collector:
        yield collector


@pytest.fixture(scope="module")
def traced(collector):
    with Server(*FAKE, "--otlp-endpoint", collector.url, "--served-model-name", "classics") as server:
        yield server


def span_of(collector, request_id):
    return wait_until(lambda: next((span for span in collector.spans()
                                    if attributes(span)["batucada.request_id"] == request_id), None), "the span")


def post(server, request_id, path="/v1/completions", flags="01", **body):
    headers = {"x-request-id": request_id}
    if flags:
        headers["traceparent"] = f"00-{TRACE}-{PARENT}-{flags}"
    return server.http.post(path, json={"prompt": "It was", **body}, headers=headers)


def test_a_span_says_what_was_asked_and_what_came_of_it(collector, traced):
    post(traced, "span-1", max_tokens=12, temperature=0.5, n=2)
    span = span_of(collector, "span-1")
    assert (span["traceId"], span["parentSpanId"]) == (TRACE, PARENT)
    assert re.fullmatch(r"[0-9a-f]{16}", span["spanId"]) and span["spanId"] != PARENT
    assert span["name"] == "text_completion classics" and span["kind"] == 2
    told = attributes(span)
    assert told["gen_ai.operation.name"] == "text_completion" and told["gen_ai.provider.name"] == "batucada"
    assert told["gen_ai.request.model"] == told["gen_ai.response.model"] == "classics"
    assert told["gen_ai.usage.input_tokens"] == 3 and told["gen_ai.usage.output_tokens"] == 24
    assert told["gen_ai.request.max_tokens"] == 12 and told["gen_ai.request.temperature"] == 0.5
    assert told["gen_ai.response.finish_reasons"] == ["length"] and told["gen_ai.request.choice.count"] == 2
    assert [event["name"] for event in span["events"]] == ["queue", "prefill", "decode"]
    times = [span["startTimeUnixNano"], *(event["timeUnixNano"] for event in span["events"]), span["endTimeUnixNano"]]
    times = [int(mark) for mark in times]
    assert times == sorted(times) and abs(times[-1] / 1e9 - time.time()) < 60
    assert times[-1] - times[-2] > 11 * 1.5e6  # eleven steps after the first token
    assert span["status"] == {}
    path, content_type, _ = collector.requests[0]
    assert path == "/v1/traces" and content_type == "application/json"
    resource = attributes(collector.bodies[0]["resourceSpans"][0]["resource"])
    assert resource["service.name"] == "batucada" and resource["service.version"]


def test_chat_is_another_operation(collector, traced):
    traced.http.post("/v1/chat/completions", headers={"x-request-id": "span-chat"},
                     json={"messages": [{"role": "user", "content": "hello"}], "max_tokens": 3})
    span = span_of(collector, "span-chat")
    assert attributes(span)["gen_ai.operation.name"] == "chat"
    assert re.fullmatch(r"[0-9a-f]{32}", span["traceId"]) and "parentSpanId" not in span  # nobody had begun a trace


def test_the_caller_decides(collector, traced):
    post(traced, "span-unwanted", flags="00", max_tokens=2)
    post(traced, "span-wanted", flags="01", max_tokens=2)
    span_of(collector, "span-wanted")
    assert "span-unwanted" not in [attributes(span)["batucada.request_id"] for span in collector.spans()]


def test_grpc_calls_have_spans_too(collector, traced):
    tensor = service_pb2.ModelInferRequest.InferInputTensor(name="text_input", datatype="BYTES", shape=[1])
    tensor.contents.bytes_contents.append(b"It was")
    with grpc.insecure_channel(f"127.0.0.1:{traced.grpc_port}") as channel:
        service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelInfer(
            service_pb2.ModelInferRequest(model_name="classics", inputs=[tensor]),
            metadata=[("x-request-id", "span-grpc"), ("traceparent", f"00-{TRACE}-{PARENT}-01")])
    assert span_of(collector, "span-grpc")["traceId"] == TRACE


def test_refusals_and_those_who_leave(collector, traced):
    post(traced, "span-refused", temperature=9)
    span = span_of(collector, "span-refused")
    assert attributes(span)["error.type"] == "invalid_value" and span["status"] == {}  # the client's mistake
    assert attributes(span)["gen_ai.response.finish_reasons"] == ["rejected"]
    with traced.http.stream("POST", "/v1/completions", headers={"x-request-id": "span-left"},
                            json={"prompt": "a", "max_tokens": 500_000, "stream": True}) as answer:
        next(answer.iter_bytes())
    assert attributes(span_of(collector, "span-left"))["gen_ai.response.finish_reasons"] == ["disconnected"]


SAY = [{"role": "user", "content": "a"}]
# By api: the path, and what is asked there of a model, at a temperature.
ASKS = {
    "completions": ("/v1/completions", lambda heat: {"prompt": "a", "temperature": heat}),
    "chat.completions": ("/v1/chat/completions", lambda heat: {"messages": SAY, "temperature": heat}),
    "responses": ("/v1/responses", lambda heat: {"input": "a", "temperature": heat}),
    "anthropic.messages": ("/v1/messages", lambda heat: {"messages": SAY, "max_tokens": 1, "temperature": heat}),
    "llamacpp.completion": ("/completion", lambda heat: {"prompt": "a", "temperature": heat}),
    "ollama.generate": ("/api/generate", lambda heat: {"prompt": "a", "options": {"temperature": heat}}),
    "ollama.chat": ("/api/chat", lambda heat: {"messages": SAY, "options": {"temperature": heat}}),
    "loads": ("/api/chat", lambda heat: {"messages": [], "options": {"temperature": heat}}),
    "sglang.generate": ("/generate", lambda heat: {"text": "a", "sampling_params": {"temperature": heat}}),
}
CHATS = ("chat.completions", "responses", "anthropic.messages", "ollama.chat", "loads")


@pytest.mark.parametrize("wire", [*ASKS, "grpc", "infer"])
@pytest.mark.parametrize("wrong", ["value", "type", "model"])
def test_a_refused_request_says_which_model_it_asked(collector, traced, wire, wrong):
    """Whether it was refused by its reader or by what it asks."""
    if (wire, wrong) == ("grpc", "type"):
        pytest.skip("Protobuf has its types")
    name, model = f"asked-{wire}-{wrong}", "no-such" if wrong == "model" else "classics"
    temperature = {"value": 9, "type": "hot", "model": 1}[wrong]
    headers = {"x-request-id": name}
    if wire == "grpc":
        with grpc.insecure_channel(f"127.0.0.1:{traced.grpc_port}") as channel:
            generate = channel.unary_stream("/batucada.v1.Inference/Generate")
            request = b"\x0a" + bytes([len(model)]) + model.encode() + b"\x12\x01a\x32\x05\x0d" + struct.pack("<f", temperature)
            with pytest.raises(grpc.RpcError):
                list(generate(request, metadata=headers.items()))
    elif wire == "infer":
        body = {"text_input": "a", "temperature": temperature}
        assert traced.http.post(f"/v2/models/{model}/generate", json=body, headers=headers).status_code in (400, 404)
    else:
        path, ask = ASKS[wire]
        assert traced.http.post(path, json={"model": model, **ask(temperature)}, headers=headers).status_code in (400, 404)
    span = span_of(collector, name)
    assert attributes(span)["gen_ai.request.model"] == model and span["name"].endswith(f" {model}")
    assert "gen_ai.response.model" not in attributes(span)
    assert attributes(span)["gen_ai.operation.name"] == ("chat" if wire in CHATS else "text_completion")


def test_numbers_are_told_as_they_were_given(collector, traced):
    post(traced, "numbers-http", max_tokens=1, temperature=0.8, top_p=0.123456789)
    told = attributes(span_of(collector, "numbers-http"))
    assert (told["gen_ai.request.temperature"], told["gen_ai.request.top_p"]) == (0.8, 0.123456789)
    with grpc.insecure_channel(f"127.0.0.1:{traced.grpc_port}") as channel:
        sampling = b"\x0d" + struct.pack("<f", 0.8) + b"\x15" + struct.pack("<f", 0.95)
        list(channel.unary_stream("/batucada.v1.Inference/Generate")(
            b"\x12\x01a\x20\x01\x32" + bytes([len(sampling)]) + sampling, metadata=[("x-request-id", "numbers-grpc")]))
    told = attributes(span_of(collector, "numbers-grpc"))
    assert (told["gen_ai.request.temperature"], told["gen_ai.request.top_p"]) == (0.8, 0.95)


def test_the_log_names_the_span(collector, traced):
    post(traced, "span-logged", flags=None, max_tokens=2)
    span = span_of(collector, "span-logged")
    [line] = [json.loads(line) for line in traced.log().splitlines() if '"id":"span-logged"' in line]
    assert (line["trace"], line["span"]) == (span["traceId"], span["spanId"])


def test_what_is_left_is_sent_at_the_end():
    with Collector() as collector:
        with Server(*FAKE, env={"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_SERVICE_NAME": "mine"}) as server:
            for i in range(20):
                post(server, f"last-{i}", max_tokens=1)
        assert len(collector.spans()) == 20
        assert attributes(collector.bodies[0]["resourceSpans"][0]["resource"])["service.name"] == "mine"


@pytest.mark.parametrize("busy", [429, 503])
def test_a_collector_that_is_busy_is_asked_again(busy):
    with Collector() as collector, Server(*FAKE, "--otlp-endpoint", collector.url) as server:
        collector.status = busy
        post(server, "again", max_tokens=1)
        wait_until(lambda: collector.requests, "the first try")
        collector.status = 200
        span_of(collector, "again")
        server.wait_for_metric("batucada_spans_exported_total", 1)
        assert server.metric('batucada_spans_dropped_total{reason="export_failed"}') == 0


def test_a_collector_that_refuses_is_counted():
    with Collector() as collector, Server(*FAKE, "--otlp-endpoint", collector.url) as server:
        collector.status = 400
        post(server, "refused", max_tokens=1)
        server.wait_for_metric('batucada_spans_dropped_total{reason="export_failed"}', 1)


def test_a_collector_that_hangs_holds_nobody_up():
    """More requests than the queue holds end while it hangs; what does not fit is counted."""
    with Collector() as collector, Server("--backend", "fake", "--otlp-endpoint", collector.url) as server:
        collector.hold.clear()
        dropped = 'batucada_spans_dropped_total{reason="queue_full"}'
        for _ in range(40):  # 64 refused prompts at a time would be one span: these are 64 requests on one connection
            for _ in range(70):
                server.http.post("/v1/completions", json={"prompt": 7})
            if server.metric(dropped) > 0:
                break
        assert server.metric(dropped) > 0
        server.complete(prompt="It was", max_tokens=5)
        assert not collector.requests, "it still hangs"
        collector.hold.set()


def test_tracing_is_off_unless_asked_for(collector):
    with Server(*FAKE) as server:
        post(server, "off", max_tokens=2)
        assert server.metric("batucada_spans_exported_total") == 0
        assert '"span"' not in server.log()


@pytest.mark.parametrize("endpoint", ["localhost:4318", "https://localhost:4318", "http://", "http://localhost:port"])
def test_a_wrong_endpoint_is_one_sentence(endpoint):
    ended = run("serve", "--backend", "fake", "--otlp-endpoint", endpoint)
    assert ended.returncode == 2 and len(ended.stderr.splitlines()) == 1
    assert "--otlp-endpoint" in ended.stderr and "http://localhost:4318" in ended.stderr
