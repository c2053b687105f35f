"""`batucada session export` beside servers that are none."""

import concurrent.futures
import itertools

import grpc
import pytest

from server import run


def varint(number):
    out = b""
    while number > 127:
        out, number = out + bytes([number & 127 | 128]), number >> 7
    return out + bytes([number])


@pytest.fixture
def false_server():
    """Of GetCheckpoint alone: what it gives, part by part, and how many were taken."""
    told = {"parts": lambda context: iter(()), "taken": 0}

    def get_checkpoint(_, context):
        for part in told["parts"](context):
            told["taken"] += 1
            yield b"\x0a" + varint(len(part)) + part
    handlers = {"GetCheckpoint": grpc.unary_stream_rpc_method_handler(get_checkpoint)}
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("batucada.v1.Inference", handlers),))
    told["port"] = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield told
    server.stop(None)


def export(server, file):
    return run("session", "export", "talk", str(file), "--server", f"127.0.0.1:{server['port']}")


def test_what_is_no_state_is_not_listened_to(false_server, tmp_path):
    false_server["parts"] = lambda context: (b"\0" * (1 << 20) for _ in range(10_000))
    said = export(false_server, tmp_path / "talk.state")
    assert said.returncode == 1 and "no file of a session's state" in said.stderr
    assert false_server["taken"] < 1000 and not (tmp_path / "talk.state").exists()


def test_nothing_time_and_again_is_not_listened_to(false_server, tmp_path):
    false_server["parts"] = lambda context: itertools.repeat(b"")
    said = export(false_server, tmp_path / "talk.state")
    assert said.returncode == 1 and "sends nothing" in said.stderr


def test_a_servers_words_tell_a_terminal_nothing(false_server, tmp_path):
    def parts(context):
        context.abort(grpc.StatusCode.NOT_FOUND, "\x1b[31mno \"talk\" café\x1b]0;title\x07\x9b1m\nhere")
        yield b""
    false_server["parts"] = parts
    said = export(false_server, tmp_path / "talk.state")
    assert said.returncode == 1 and 'no "talk" café' in said.stderr
    assert not any(ord(c) < 32 and c != "\n" or 127 <= ord(c) < 160 for c in said.stderr)
