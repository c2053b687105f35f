"""What a gRPC call is: how many messages it has, how long it may take, and what is charged for what it holds. By hand,
for a library's own deadline would end a call that the server forgot."""

import struct

import pytest

from h2_client import CANCEL, H2, RST_STREAM, WINDOW_UPDATE, PREFACE, frame, message, settings
from server import Server, wait_until

TOKENIZE = "/batucada.v1.Inference/Tokenize"
COMPLETE = "/batucada.v1.Inference/Complete"
MIB = 1 << 20


def framed(request):
    content = request.SerializeToString()
    return message(len(content), content)


@pytest.mark.parametrize("content, says", [
    (message(3, b"\x12\x01a") * 2, "one message"),  # the text "a", twice
    (message(3, b"\x12"), "whole"),
    (message(2)[:3], "whole"),
    (b"", "whole"),
], ids=["two", "cut", "cut in its head", "none"])
def test_a_method_takes_one_message_and_all_of_it(fast, content, says):
    with H2(fast.grpc_port) as client:
        stream = client.open(COMPLETE)
        client.data_frame(stream, content, end=True)
        assert client.receive(lambda c: c.status(stream))
        assert client.status(stream) == "3" and says in client.headers[stream]["grpc-message"]


def test_a_deadline_passes_though_no_message_comes(fast):
    with H2(fast.grpc_port) as client:
        stream = client.open(TOKENIZE, ("grpc-timeout", "50m"))
        assert client.receive(lambda c: c.status(stream))
        assert client.status(stream) == "4"


@pytest.mark.parametrize("method", ["Generate", "Complete", "Chat"])
def test_a_deadline_is_the_servers_too(slow, stubs, method):
    pb, _ = stubs
    request = pb.GenerateRequest(text="a", max_tokens=100_000)
    if method == "Chat":
        request = pb.ChatRequest(messages=[pb.ChatMessage(role="user", content="a")], max_tokens=100_000)
    with H2(slow.grpc_port) as client:
        stream = client.open(f"/batucada.v1.Inference/{method}", ("grpc-timeout", "300m"))
        client.data_frame(stream, framed(request), end=True)
        assert client.receive(lambda c: c.status(stream))
        assert client.status(stream) == "4"
        if method == "Complete":
            assert stream not in client.data, "half an answer beside a failure"
    slow.wait_until_free()


def test_a_call_that_is_reset_ends(slow, stubs):
    pb, _ = stubs
    with H2(slow.grpc_port) as client:
        stream = client.open(COMPLETE)
        client.data_frame(stream, framed(pb.GenerateRequest(text="a", max_tokens=100_000)), end=True)
        slow.wait_for_metric("batucada_requests_running", 1)
        client.send(frame(RST_STREAM, 0, stream, struct.pack(">I", CANCEL)))
        slow.wait_until_free()


def test_refused_calls_are_counted_by_reason(fast, stubs):
    pb, _ = stubs
    name = 'batucada_requests_rejected_total{reason="invalid"}'
    before = fast.metrics().get(name, 0)
    with H2(fast.grpc_port) as client:
        stream = client.open(COMPLETE)
        client.data_frame(stream, framed(pb.GenerateRequest(text="a", n=-1)), end=True)
        assert client.receive(lambda c: c.status(stream) == "3")
    wait_until(lambda: fast.metrics().get(name, 0) == before + 1, "the refusal to be counted")


# --- memory ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def small():
    with Server("--backend", "fake", "--fake-step-time", "0ms", "--request-memory", "32MiB") as server:
        yield server


def held(server, part):
    return server.metrics().get(f'batucada_request_memory_bytes{{part="{part}"}}', 0)


def refused(server, part):
    return server.metrics().get(f'batucada_request_memory_refused_total{{part="{part}"}}', 0)


def wait_until_free(server):
    for part in ("body", "parsing", "answer"):
        wait_until(lambda part=part: held(server, part) == 0, f"what was charged for {part} to come back")


def send_all(client, stream, content, end=False):
    for start in range(0, len(content), 16_000):
        client.data_frame(stream, content[start:start + 16_000], end=end and start + 16_000 >= len(content))
        # Reads what comes, so that the windows are known to be given back.
        client.receive(lambda c: c.status(stream), patience_s=0.0001)


def test_messages_that_never_end_are_refused_past_the_budget(small):
    with H2(small.grpc_port) as client:
        streams = []
        while refused(small, "body") == 0 and len(streams) < 12:
            streams.append(client.open(TOKENIZE))
            send_all(client, streams[-1], message(6 * MIB, bytes(5 * MIB)))
        assert client.receive(lambda c: any(c.status(stream) == "8" for stream in streams))
        assert held(small, "body") <= 32 * MIB
    wait_until_free(small)


def test_what_a_message_becomes_is_charged_first(small):
    with H2(small.grpc_port) as client:
        stream = client.open(TOKENIZE)
        text = b"a b " * MIB  # twelve times as much while it is read
        content = b"\x12" + b"\x80\x80\x80\x02" + text
        send_all(client, stream, message(len(content), content), end=True)
        assert client.receive(lambda c: c.status(stream))
        assert client.status(stream) == "8" and "reading" in client.headers[stream]["grpc-message"]
    wait_until_free(small)


def test_an_answer_that_nobody_reads_is_charged_until_it_is(small, stubs):
    pb, _ = stubs
    with H2(small.grpc_port, PREFACE + settings(initial_window_size=0)) as client:
        stream = client.open(COMPLETE)
        request = pb.GenerateRequest(text="a", max_tokens=4000, output=pb.OutputOptions(logprobs=20))
        ended = 'batucada_requests_finished_total{reason="length"}'
        before = small.metric(ended)
        client.data_frame(stream, framed(request), end=True)
        wait_until(lambda: small.metric(ended) > before, "the text's end")
        assert held(small, "answer") > 256 << 10
        for where in (0, stream):
            client.send(frame(WINDOW_UPDATE, 0, where, struct.pack(">I", 16 * MIB)))
        assert client.receive(lambda c: c.status(stream) == "0")
        wait_until(lambda: held(small, "answer") == 0, "the answer's memory to come back")
