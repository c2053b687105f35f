"""What one gRPC client can hold, and how it is told: HTTP/2 frames by hand, and whole clients beside them."""

import concurrent.futures
import gzip
import http.client
import socket
import struct

import grpc
import pytest

from h2_client import (CANCEL, CONTINUATION, DATA, END_HEADERS, ENHANCE_YOUR_CALM, H2, HEADERS, NO_ERROR, PING, PREFACE,
                       PRIORITY, REFUSED_STREAM, RST_STREAM, SETTINGS, WINDOW_UPDATE, frame, message, settings)
from server import PATIENCE_S, Server, wait_until

FAKE = ("--backend", "fake")
CHECK = "/grpc.health.v1.Health/Check"
STREAM_INFER = "/inference.GRPCInferenceService/ModelStreamInfer"


@pytest.fixture(scope="module")
def keyed():
    with Server(*FAKE, "--api-key", "secret") as server:
        yield server


@pytest.fixture(scope="module")
def few():
    """Little of everything that is counted."""
    with Server(*FAKE, "--grpc-max-streams", "10", "--max-header-bytes", "2KiB") as server:
        yield server


@pytest.fixture(scope="module")
def hasty():
    """Little time for everything."""
    with Server(*FAKE, "--grpc-handshake-timeout", "300ms", "--grpc-idle-timeout", "600ms", "--read-timeout", "500ms",
                "--write-timeout", "500ms") as server:
        yield server


def resident_bytes(server):
    with open(f"/proc/{server.process.pid}/status", encoding="ascii") as status:
        return int(status.read().split("VmRSS:")[1].split()[0]) * 1024


def healthy(server):
    with H2(server.grpc_port) as client:
        stream = client.open(CHECK)
        client.data_frame(stream, message(0), end=True)
        assert client.receive(lambda c: c.status(stream))
        return client.status(stream) == "0" and client.data[stream].endswith(b"\x08\x01")


# --- keys before messages ------------------------------------------------------------------------------------------


def test_a_call_without_a_key_is_answered_before_its_message(keyed):
    """A hundred calls that each begin a message of almost the whole limit: none of it is needed, or kept."""
    before = resident_bytes(keyed)
    with H2(keyed.grpc_port) as client:
        streams = [client.open() for _ in range(100)]
        for stream in streams:
            client.data_frame(stream, message(8 << 20))
        assert client.receive(lambda c: all(c.status(stream) for stream in streams))
        assert {client.status(stream) for stream in streams} == {"16"}
        for stream in streams:  # and who goes on sending is not heard
            client.data_frame(stream, bytes(8192))
        assert healthy(keyed)
    assert resident_bytes(keyed) - before < 64 << 20


def test_millions_of_empty_messages_are_never_made(keyed):
    """Two bytes each on the wire, hundreds each once they are objects; with a key, and without."""
    wire = b"\x12\x00" * (4 << 20 >> 1)
    before = resident_bytes(keyed)
    with grpc.insecure_channel(f"127.0.0.1:{keyed.grpc_port}") as channel:
        chat = channel.unary_stream("/batucada.v1.Inference/Chat")
        for metadata, code in (((), grpc.StatusCode.UNAUTHENTICATED),
                               ((("authorization", "Bearer secret"),), grpc.StatusCode.RESOURCE_EXHAUSTED)):
            with pytest.raises(grpc.RpcError) as error:
                list(chat(wire, metadata=metadata, timeout=PATIENCE_S))
            assert error.value.code() == code
        assert "parts" in error.value.details()
    assert resident_bytes(keyed) - before < 96 << 20


@pytest.mark.parametrize("method, wire, says", [
    ("Generate", b"\x1a" + b"\x82\x80\x80\x02" + b"\x0a" + b"\xfd\xff\xff\x01" + bytes((4 << 20) - 3), "numbers"),
    ("Generate", b"\xf8\x07\x01" * 100_000, "parts"),  # a field that nobody knows
    ("Generate", b"\x0b" * 1000, "malformed"),  # groups without an end
    ("Generate", b"\x12\xff", "malformed"),
    ("Complete", b"\x12\x02\xc3\x28", "malformed"),  # no UTF-8
], ids=["numbers", "unknown", "groups", "cut", "utf8"])
def test_messages_that_are_none_or_too_much(fast, method, wire, says):
    with grpc.insecure_channel(f"127.0.0.1:{fast.grpc_port}") as channel:
        with pytest.raises(grpc.RpcError, match=says) as error:
            channel.unary_unary(f"/batucada.v1.Inference/{method}")(wire, timeout=PATIENCE_S)
        assert error.value.code() in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.RESOURCE_EXHAUSTED)


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
        assert client.goaway in (None, ENHANCE_YOUR_CALM)
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
        block = client.block("/x") + b"\x40\x01a\x7f\x81\x1e" + b"v" * 4000 + b"\xbe" * 11_000
        client.send(frame(HEADERS, END_HEADERS, 1, block))
        assert client.receive(lambda c: c.status(1) or c.calmed())
    assert resident_bytes(few) - before < 32 << 20
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
        assert not client.receive(lambda c: c.status(stream) or c.closed, patience_s=2.5)
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


def test_a_connection_that_is_old_takes_no_new_calls_and_loses_none(stubs):
    pb, services = stubs
    with Server(*FAKE, "--fake-step-time", "20ms", "--grpc-max-connection-age", "500ms") as server:
        with H2(server.grpc_port) as client:
            stream = client.open()
            body = pb.GenerateRequest(text="a", max_tokens=60).SerializeToString()
            client.data_frame(stream, message(len(body), body), end=True)
            assert client.receive(lambda c: c.closed)
            assert client.goaway == NO_ERROR and client.status(stream) == "0"
        with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
            stub = services.InferenceStub(channel)
            for _ in range(4):  # its client connects again by itself
                request = pb.GenerateRequest(text="a", max_tokens=20)
                assert stub.Complete(request, timeout=PATIENCE_S, wait_for_ready=True).usage.completion_tokens == 20


# --- connections -----------------------------------------------------------------------------------------------------


def test_who_only_holds_connections_keeps_nobody_out():
    with Server(*FAKE, "--grpc-max-connections", "5") as server:
        silent = [socket.create_connection(("127.0.0.1", server.grpc_port), PATIENCE_S) for _ in range(40)]
        for _ in range(3):
            assert healthy(server)
        assert server.metric("batucada_grpc_connections_refused_total") >= 30
        # Those that are at work stay, and one more is turned away.
        busy = [H2(server.grpc_port) for _ in range(5)]
        streams = [client.open("/grpc.health.v1.Health/Watch") for client in busy]
        for client, stream in zip(busy, streams):
            client.data_frame(stream, message(0), end=True)
            assert client.receive(lambda c: stream in c.data)
        with H2(server.grpc_port) as late:
            assert late.receive(lambda c: c.closed)
        busy.pop().close()
        wait_until(lambda: connects(server), "a place to be free")
        for client in (*busy, *silent):
            client.close()


def connects(server):
    with H2(server.grpc_port) as client:
        stream = client.open(CHECK)
        client.data_frame(stream, message(0), end=True)
        return client.receive(lambda c: c.status(stream) == "0")


def test_liveness_beside_many_silent_connections():
    with Server(*FAKE, "--grpc-max-connections", "100") as server:
        silent = [socket.create_connection(("127.0.0.1", server.grpc_port), PATIENCE_S) for _ in range(500)]
        for path in ("/health/live", "/health/ready"):
            assert server.http.get(path).status_code == 200
        assert healthy(server)
        for connection in silent:
            connection.close()


# --- what is no gRPC -------------------------------------------------------------------------------------------------


def test_other_protocols_are_told_where_they_are(fast):
    connection = http.client.HTTPConnection("127.0.0.1", fast.grpc_port, timeout=PATIENCE_S)
    connection.request("GET", "/health")
    response = connection.getresponse()
    assert response.status == 400 and b"gRPC" in response.read()
    with H2(fast.grpc_port) as client:
        client.send(frame(HEADERS, END_HEADERS | 1, 1, client.encoder.encode(
            [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "x")])))
        assert client.receive(lambda c: 1 in c.headers)
        assert client.headers[1][":status"] == "415"


@pytest.mark.parametrize("compression", [grpc.Compression.Gzip, grpc.Compression.Deflate], ids=str)
def test_compressed_messages(fast, stubs, compression):
    pb, services = stubs
    with grpc.insecure_channel(f"127.0.0.1:{fast.grpc_port}", compression=compression) as channel:
        stub = services.InferenceStub(channel)
        text = "It was a dark and stormy night. " * 2000
        ids = stub.Tokenize(pb.TokenizeRequest(text=text), timeout=PATIENCE_S).ids
        assert stub.Detokenize(pb.DetokenizeRequest(ids=ids, skip_special_tokens=True), timeout=PATIENCE_S).text == text


def test_compressed_messages_are_bounded_by_what_they_become(fast):
    bomb = gzip.compress(bytes(64 << 20))
    for encoding, says in ((("grpc-encoding", "gzip"), "decompressed"), (("grpc-encoding", "snappy"), "snappy"),
                           (("grpc-encoding", "identity"), "grpc-encoding")):
        with H2(fast.grpc_port) as client:
            stream = client.open("/batucada.v1.Inference/Tokenize", encoding)
            content = b"\1" + struct.pack(">I", len(bomb)) + bomb
            for start in range(0, len(content), 16_000):
                client.data_frame(stream, content[start:start + 16_000])
            assert client.receive(lambda c: c.status(stream))
            assert client.status(stream) != "0" and says in client.headers[stream]["grpc-message"]


# --- who may end what ------------------------------------------------------------------------------------------------


def test_only_the_key_that_asked_may_abort(stubs):
    pb, services = stubs
    with Server(*FAKE, "--fake-step-time", "20ms", "--api-key", "alice", "--api-key", "mallory") as server:
        with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel, concurrent.futures.ThreadPoolExecutor(2) as pool:
            stub = services.InferenceStub(channel)

            def bearer(name):
                return ("authorization", f"Bearer {name}")

            def abort(key, name):
                return stub.Abort(pb.AbortRequest(request_id=name), metadata=[bearer(key)], timeout=PATIENCE_S).aborted
            over_http = pool.submit(server.http.post, "/v1/completions", json={"prompt": "a", "max_tokens": 5000},
                                    headers={"authorization": "Bearer alice", "x-request-id": "web"})
            over_grpc = stub.Generate(pb.GenerateRequest(text="a", max_tokens=5000),
                                      metadata=[bearer("alice"), ("x-request-id", "wire")])
            next(over_grpc)
            server_running = lambda: server.http.get("/metrics").text.count("batucada_requests_running 2") == 1
            wait_until(server_running, "both to run")
            for name in ("web", "wire"):
                assert abort("mallory", name) == 0
            assert server_running()
            for name in ("web", "wire"):
                assert abort("alice", name) == 1
            assert over_http.result().status_code == 409
            with pytest.raises(grpc.RpcError):
                list(over_grpc)


def test_request_ids_are_not_of_one_sequence(fast):
    """No generator's state is in them: 64 random bits of each, as bits, are as often set as not."""
    ids = [int(fast.http.get("/health/live").headers["x-request-id"], 16) for _ in range(200)]
    assert len(set(ids)) == 200
    for bit in range(128):
        assert 40 < sum(number >> bit & 1 for number in ids) < 160


# --- choices of the operator -----------------------------------------------------------------------------------------


def test_without_grpc():
    with Server(*FAKE, "--grpc", "off") as server:
        assert server.grpc_port is None and "grpc=off" in server.log()
        assert server.complete(prompt="a", max_tokens=1)["choices"]


def test_without_reflection():
    with Server(*FAKE, "--grpc-reflection", "off") as server:
        with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
            for version in ("v1", "v1alpha"):
                call = channel.stream_stream(f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo")
                with pytest.raises(grpc.RpcError) as error:
                    list(call(iter([b"\x3a\x00"]), timeout=PATIENCE_S))
                assert error.value.code() == grpc.StatusCode.UNIMPLEMENTED


def test_watched_health_tells_of_the_end():
    with Server(*FAKE, "--shutdown-grace", "3s") as server:
        with H2(server.grpc_port) as client:
            stream = client.open("/grpc.health.v1.Health/Watch")
            client.data_frame(stream, message(0), end=True)
            assert client.receive(lambda c: c.data.get(stream) == message(2, b"\x08\x01"))
            server.signal()
            assert client.receive(lambda c: c.data[stream] == message(2, b"\x08\x01") + message(2, b"\x08\x02"))
        server.expect_orderly_end()
