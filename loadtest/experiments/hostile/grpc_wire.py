"""gRPC for attackers: calls without generated code, and HTTP/2 frames as they are given."""

import pathlib
import sys

import grpc

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "tests/integration"))
from h2_client import H2, frame, message, settings  # noqa: E402, F401 (for the experiments)


def channel(scene, **options):
    """A connection of its own."""
    return grpc.insecure_channel(f"127.0.0.1:{scene.grpc}",
                                 options=[("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0),
                                          ("grpc.max_receive_message_length", -1), *options.items()])


def code_of(call):
    """What became of a call, in a word."""
    try:
        list(call)
        return "OK"
    except grpc.RpcError as error:
        return error.code().name
