"""gRPC's messages: keys before them, what they may hold, and what is none."""

import gzip
import http.client
import struct

import grpc
import pytest

from h2_client import END_HEADERS, END_STREAM, H2, HEADERS, frame, healthy, message, resident_bytes
from server import PATIENCE_S, Server

FAKE = ("--backend", "fake")


@pytest.fixture(scope="module")
def keyed():
    with Server(*FAKE, "--api-key", "secret") as server:
        yield server


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
    assert "libprotobuf" not in fast.log(), "a stranger writes lines of the log"


def test_other_protocols_are_told_where_they_are(fast):
    connection = http.client.HTTPConnection("127.0.0.1", fast.grpc_port, timeout=PATIENCE_S)
    connection.request("GET", "/health")
    response = connection.getresponse()
    assert response.status == 400 and b"gRPC" in response.read()
    with H2(fast.grpc_port) as client:
        client.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, client.encoder.encode(
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
