"""What one gRPC client can hold, and how it is told: HTTP/2 frames by hand, and whole clients beside them."""

import socket
import struct

import grpc
import pytest

from h2_client import (CANCEL, CHECK, CONTINUATION, DATA, END_HEADERS, ENHANCE_YOUR_CALM, H2, HEADERS, NO_ERROR, PING,
                       PREFACE, PRIORITY, REFUSED_STREAM, RST_STREAM, SETTINGS, WINDOW_UPDATE, frame, healthy, message,
                       resident_bytes, settings)
from server import PATIENCE_S, Server, wait_until

FAKE = ("--backend", "fake")
STREAM_INFER = "/inference.GRPCInferenceService/ModelStreamInfer"


@pytest.fixture(scope="module")
def few():
    """Little of everything that is counted."""
    with Server(*FAKE, "--grpc-max-streams", "10", "--max-header-bytes", "2KiB") as server:
        yield server


@pytest.fixture(scope="module")
def hasty():
    """Little time for everything."""
    with Server(*FAKE, "--grpc-handshake-timeout", "1s", "--grpc-idle-timeout", "2s", "--read-timeout", "1s",
                "--write-timeout", "1s") as server:
        yield server


# --- streams and frames ----------------------------------------------------------------------------------------------


def test_streams_at_once_are_bounded_for_those_who_acknowledge_nothing(few):
    with H2(few.grpc_port) as client:
        streams = [client.open() for _ in range(25)]
        assert client.receive(lambda c: len(c.resets) >= 15)
        assert client.settings[3] == 10
        assert client.resets == {stream: REFUSED_STREAM for stream in streams[10:]}
        assert healthy(few)
        # One that ends makes room for another.
        client.send(frame(RST_STREAM, 0, streams[0], struct.pack(">I", CANCEL)))
        stream = client.open(CHECK)
        client.data_frame(stream, message(0), end=True)
        assert client.receive(lambda c: c.status(stream) == "0")


def test_who_watches_health_without_end_holds_little():
    with Server(*FAKE, "--api-key", "secret") as server, H2(server.grpc_port) as client:
        streams = [client.open("/grpc.health.v1.Health/Watch") for _ in range(20)]
        for stream in streams:
            client.data_frame(stream, message(0), end=True)
        assert client.receive(lambda c: len(c.data) == 16 and all(c.status(stream) == "8" for stream in streams[16:]))
        for _ in range(3):  # nor is there room for others that need no key
            stream = client.open(CHECK)
            client.data_frame(stream, message(0), end=True)
            assert client.receive(lambda c: c.status(stream) in ("0", "8"))
            assert client.status(stream) == "8", "while the others watch"
        for stream in streams[:4]:
            client.send(frame(RST_STREAM, 0, stream, struct.pack(">I", CANCEL)))
        for _ in range(20):
            stream = client.open(CHECK)
            client.data_frame(stream, message(0), end=True)
            assert client.receive(lambda c: c.status(stream) == "0")


def flood(client, frames, most=200_000):
    """Sends until the server has had enough: GOAWAY or a closed connection."""
    client.socket.settimeout(PATIENCE_S)
    sent = 0
    while sent < most and client.send(b"".join(frames(sent + i) for i in range(100))):
        sent += 100
        if client.receive(lambda c: c.calmed(), patience_s=0.001):
            break
    assert client.receive(lambda c: c.calmed()), f"{sent} frames were not too many"
    return sent


@pytest.mark.parametrize("frames", [
    lambda i: frame(PING, 0, 0, struct.pack(">Q", i)),
    lambda i: settings(initial_window_size=65535 + i),
    lambda i: frame(SETTINGS, 1, 0),
    lambda i: frame(PRIORITY, 0, 2 * i + 1, struct.pack(">IB", 0, 1)),
    lambda i: frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 1)),
], ids=["ping", "settings", "acks", "priority", "window updates"])
def test_frames_that_mean_nothing_end_the_connection(few, frames):
    with H2(few.grpc_port) as client:
        flood(client, frames)
    assert healthy(few)


def test_empty_data_ends_the_connection(few):
    with H2(few.grpc_port) as client:
        stream = client.open(STREAM_INFER)
        flood(client, lambda i: frame(DATA, 0, stream))
    assert healthy(few)


def test_rapid_reset_ends_the_connection(few):
    """Streams that are opened and reset at once, which no limit of streams at once sees."""
    with H2(few.grpc_port) as client:
        block = client.block("/batucada.v1.Inference/Generate")

        def opened_and_reset(i):
            return frame(HEADERS, END_HEADERS, 2 * i + 1, block) + frame(RST_STREAM, 0, 2 * i + 1, struct.pack(">I", CANCEL))
        flood(client, opened_and_reset)
        assert client.goaway in (None, ENHANCE_YOUR_CALM)  # it may be lost with the connection
    assert healthy(few)
    few.wait_until_free()


def test_headers_without_end_end_the_connection(few):
    with H2(few.grpc_port) as client:
        client.send(frame(HEADERS, 0, 1, client.block("/x")))
        flood(client, lambda i: frame(CONTINUATION, 0, 1, b"\x40\x01a\x01b" * 100))
    assert healthy(few)


def test_headers_are_bounded(few):
    before = resident_bytes(few)
    with grpc.insecure_channel(f"127.0.0.1:{few.grpc_port}") as channel:
        check = channel.unary_unary(CHECK)
        check(b"", metadata=[("x-long", "a" * 1000)], timeout=PATIENCE_S)
        with pytest.raises(grpc.RpcError) as error:
            check(b"", metadata=[("x-long", "a" * 3000)], timeout=PATIENCE_S)
        assert error.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    # One entry of the compression's table, named 16,000 times in a frame: 64 MB of headers.
    with H2(few.grpc_port) as client:
        block = client.block("/x") + b"\x40\x01a\x7f\xa1\x1e" + b"v" * 4000 + b"\xbe" * 11_000
        client.send(frame(HEADERS, END_HEADERS, 1, block))
        assert client.receive(lambda c: 1 in c.resets)
        assert not client.calmed(), "one is a mistake"
    assert resident_bytes(few) - before < 32 << 20
    assert healthy(few)


@pytest.mark.parametrize("value", [b"v" * 4000, b"v" * 3999 + b"\n"], ids=["sound", "not allowed"])
def test_references_to_long_headers_are_few(few, value):
    """7 KB that stand for 12 MB of headers: a client may send a few, and no thread works through more."""
    with H2(few.grpc_port) as client:
        block = client.block("/x") + b"\x40\x01a\x7f\xa1\x1e" + value + b"\xbe" * 3000
        flood(client, lambda i: frame(HEADERS, END_HEADERS, 2 * i + 1, block), most=3000)
        assert client.goaway in (None, ENHANCE_YOUR_CALM)  # it may be lost with the connection
    assert healthy(few)


def test_no_nonsense_ends_the_server(few):
    """Frames in wrong places, of wrong sizes, of kinds that there are not."""
    nonsense = [frame(HEADERS, END_HEADERS, 2, b"\x82"), frame(HEADERS, END_HEADERS, 1, b"\xff" * 50), frame(DATA, 0, 1, b"x"),
                frame(DATA, 0, 0, b"x"), frame(SETTINGS, 0, 1), frame(SETTINGS, 0, 0, b"x"), frame(SETTINGS, 1, 0, b"x" * 6),
                frame(PING, 0, 0, b"short"), frame(PING, 0, 5, bytes(8)), frame(WINDOW_UPDATE, 0, 0, bytes(4)),
                frame(WINDOW_UPDATE, 0, 0, b"\x7f\xff\xff\xff") * 2, frame(RST_STREAM, 0, 1, bytes(4)), frame(5, 4, 1, bytes(9)),
                frame(CONTINUATION, 4, 1, b"\x82"), frame(99, 255, 77, bytes(100)), b"\xff" * 9, b"\0\x40\x01" + bytes(6),
                settings(max_frame_size=1), settings(initial_window_size=2**31), frame(HEADERS, 0x2D, 1, b"\xff\0\0"),
                frame(HEADERS, END_HEADERS, 1, b"\x82\x86\x84"), b"GET / HTTP/1.1\r\n\r\n"]
    for junk in nonsense:
        with H2(few.grpc_port) as client:
            client.send(junk)
            stream = client.open(CHECK)
            client.data_frame(stream, message(0), end=True)
            assert client.receive(lambda c: c.calmed() or c.goaway is not None or c.status(stream) or stream in c.resets), junk
    for junk in (b"\0" * 24, PREFACE[:-1] + b"x", PREFACE + b"\xff" * 100):
        with H2(few.grpc_port, greeting=junk) as client:
            assert client.receive(lambda c: c.calmed()), junk
    assert healthy(few)


# --- time ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("greeting", [b"", PREFACE[:10], PREFACE], ids=["nothing", "half", "no settings"])
def test_who_says_nothing_is_sent_away(hasty, greeting):
    with H2(hasty.grpc_port, greeting=greeting) as client:
        assert client.receive(lambda c: c.closed)
        assert client.data == {} and client.settings == {}


def test_an_idle_connection_is_told_to_come_again(hasty):
    with H2(hasty.grpc_port) as client:
        assert client.receive(lambda c: c.closed)
        assert client.goaway == NO_ERROR


@pytest.mark.parametrize("sent", [b"", message(100), message(100, b"x" * 99)], ids=["nothing", "head", "most"])
def test_a_message_must_come(hasty, sent):
    with H2(hasty.grpc_port) as client:
        stream = client.open()
        if sent:
            client.data_frame(stream, sent)
        assert client.receive(lambda c: c.status(stream))
        assert client.status(stream) == "4" and "read-timeout" in client.headers[stream]["grpc-message"]


def test_a_stream_of_requests_may_be_silent_between_them(hasty):
    with H2(hasty.grpc_port) as client:
        stream = client.open(STREAM_INFER)
        assert not client.receive(lambda c: c.status(stream) or c.closed, patience_s=4)
        client.data_frame(stream, message(100))
        assert client.receive(lambda c: c.status(stream) == "4")


def test_an_answer_that_is_not_taken_is_given_up(hasty):
    """The client's window is shut: nothing of the answer may be sent."""
    with H2(hasty.grpc_port, greeting=PREFACE + settings(initial_window_size=0)) as client:
        stream = client.open(CHECK)
        client.data_frame(stream, message(0), end=True)
        assert client.receive(lambda c: stream in c.resets)
        assert client.resets[stream] == CANCEL and stream not in client.data
    assert healthy(hasty)


@pytest.mark.parametrize("path, begin, end", [
    (STREAM_INFER, b"", False), ("/grpc.health.v1.Health/Watch", b"", True),
    ("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", b"\x3a\0", False),
    ("/batucada.v1.Inference/PutCheckpoint", b"\x12\x03BAT", False)])
def test_a_deadline_ends_calls_that_have_begun(few, path, begin, end):
    with H2(few.grpc_port) as client:
        stream = client.open(path, ("grpc-timeout", "1S"))
        client.data_frame(stream, message(len(begin), begin), end=end)
        assert client.receive(lambda c: c.status(stream)) and client.status(stream) == "4"
        assert "deadline passed" in client.headers[stream]["grpc-message"]  # and not --read-timeout


# What fails, a request without a model's name, and what is answered by more than was asked: what services there are.
# 60,000 bytes of either: within the window of a client that acknowledges no SETTINGS.
@pytest.mark.parametrize("path, question, count", [
    (STREAM_INFER, message(0), 12_000),
    ("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", message(2, b"\x3a\0"), 8_000)])
def test_requests_are_not_read_while_the_answers_before_them_are_not_taken(path, question, count):
    with Server(*FAKE) as server, H2(server.grpc_port, greeting=PREFACE + settings(initial_window_size=0)) as client:
        stream = client.open(path)
        for _ in range(count // 1000):
            client.data_frame(stream, question * 1000)
        client.data_frame(stream, b"", end=True)
        # Half the stream's window, had it been read, would have been given back.
        assert not client.receive(lambda c: stream in c.credit, patience_s=2)
        assert healthy(server)
        for opened in (0, stream):
            client.send(frame(WINDOW_UPDATE, 0, opened, struct.pack(">I", 1 << 29)))
        assert client.receive(lambda c: c.status(stream)) and client.status(stream) == "0"
        answers, rest = 0, client.data[stream]
        while rest:
            answers, rest = answers + 1, rest[5 + int.from_bytes(rest[1:5], "big"):]
        assert answers == count


def test_calls_that_fail_leave_their_connection_to_the_others(stubs):
    """More of them than frames of no use may come, beside a stream that goes on."""
    pb, services = stubs
    with Server(*FAKE, "--fake-step-time", "10ms") as server:
        with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
            stub = services.InferenceStub(channel)
            going_on = stub.Generate(pb.GenerateRequest(text="a", max_tokens=100_000), timeout=10 * PATIENCE_S)
            next(going_on)
            calls = [stub.Tokenize.future(pb.TokenizeRequest(model="nope", text="a"), timeout=PATIENCE_S)
                     for _ in range(100)]
            for _ in range(6000):
                assert calls.pop(0).code() == grpc.StatusCode.NOT_FOUND
                calls.append(stub.Tokenize.future(pb.TokenizeRequest(model="nope", text="a"), timeout=PATIENCE_S))
            next(going_on)
            going_on.cancel()


def test_a_connection_that_is_old_takes_no_new_calls_and_loses_none(stubs):
    pb, services = stubs
    with Server(*FAKE, "--fake-step-time", "20ms", "--grpc-max-connection-age", "2s") as server:
        with H2(server.grpc_port) as client:
            stream = client.open()
            body = pb.GenerateRequest(text="a", max_tokens=200).SerializeToString()
            client.data_frame(stream, message(len(body), body), end=True)
            assert client.receive(lambda c: c.closed)
            assert client.goaway == NO_ERROR and client.status(stream) == "0"
        with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
            stub = services.InferenceStub(channel)
            for _ in range(8):  # its client connects again by itself
                request = pb.GenerateRequest(text="a", max_tokens=20)
                assert stub.Complete(request, timeout=PATIENCE_S, wait_for_ready=True).usage.completion_tokens == 20


# --- connections -----------------------------------------------------------------------------------------------------


def test_who_only_holds_connections_keeps_nobody_out():
    with Server(*FAKE, "--grpc-max-connections", "5") as server:
        silent = [socket.create_connection(("127.0.0.1", server.grpc_port), PATIENCE_S) for _ in range(40)]
        for _ in range(3):
            assert healthy(server)
        wait_until(lambda: server.metric("batucada_grpc_connections_refused_total") >= 30, "the others' turn")
        # Those that are at work stay, and one more is turned away.
        busy = [H2(server.grpc_port) for _ in range(5)]
        streams = [client.open("/grpc.health.v1.Health/Watch") for client in busy]
        for client, stream in zip(busy, streams):
            client.data_frame(stream, message(0), end=True)
            assert client.receive(lambda c: stream in c.data)
        with H2(server.grpc_port) as late:
            assert late.receive(lambda c: c.closed)
        busy.pop().close()
        wait_until(lambda: healthy(server), "a place to be free")
        for client in (*busy, *silent):
            client.close()


def test_liveness_beside_many_silent_connections():
    with Server(*FAKE, "--grpc-max-connections", "100") as server:
        silent = [socket.create_connection(("127.0.0.1", server.grpc_port), PATIENCE_S) for _ in range(500)]
        for path in ("/health/live", "/health/ready"):
            assert server.http.get(path).status_code == 200
        # Who comes while many are still being let go may be turned away.
        wait_until(lambda: healthy(server), "an answer beside silent connections")
        for connection in silent:
            connection.close()
