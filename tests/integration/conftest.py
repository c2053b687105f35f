import importlib
import os
import sys

import pytest
from grpc_tools import protoc

from server import BINARY, MODEL, ROOT, Server


def pytest_sessionstart(session):
    if not os.access(BINARY, os.X_OK):
        pytest.exit(f"{BINARY} is not there: build it, or set BATUCADA_BINARY", returncode=2)


@pytest.fixture(scope="session")
def fast():
    """The fake backend, a step every millisecond."""
    with Server("--backend", "fake") as server:
        yield server


@pytest.fixture(scope="session")
def cpu():
    """The embedded model on the CPU."""
    with Server("--backend", "cpu") as server:
        yield server


@pytest.fixture(scope="session")
def strict():
    """The same, where nothing that a client sends is ignored."""
    with Server("--backend", "cpu", "--strict-parameters") as server:
        yield server


@pytest.fixture(scope="session")
def slow():
    """The fake backend, slow enough to act while a request runs. Two sequences at once, three in the queue, for anybody."""
    with Server("--backend", "fake", "--fake-step-time", "20ms", "--max-sequences", "2", "--max-waiting", "3",
                "--request-share", "1") as server:
        yield server


@pytest.fixture(scope="session")
def bare_model(tmp_path_factory):
    """The embedded model without its chat template."""
    folder = tmp_path_factory.mktemp("models") / "bare"
    folder.mkdir()
    for path in MODEL.iterdir():
        if path.name != "tokenizer_config.json":
            (folder / path.name).symlink_to(path)
    return folder


@pytest.fixture(scope="session")
def stubs(tmp_path_factory):
    """The modules that grpcio-tools makes of our .proto, as (messages, services)."""
    out = tmp_path_factory.mktemp("stubs")
    proto = ROOT / "proto/batucada/v1/batucada.proto"
    assert protoc.main(["protoc", f"-I{ROOT / 'proto'}", f"--python_out={out}", f"--grpc_python_out={out}", str(proto)]) == 0
    sys.path.insert(0, str(out))
    return (importlib.import_module("batucada.v1.batucada_pb2"), importlib.import_module("batucada.v1.batucada_pb2_grpc"))
