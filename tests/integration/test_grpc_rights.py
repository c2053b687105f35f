"""Who may end what over gRPC, and what its operator may leave out."""

import concurrent.futures

import grpc
import pytest
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2
from tritonclient.grpc import service_pb2

from h2_client import H2, message
from server import PATIENCE_S, Server, wait_until

FAKE = ("--backend", "fake")


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
            server.wait_for_metric("batucada_requests_running", 2)
            for name in ("web", "wire"):
                assert abort("mallory", name) == 0
            assert server.metric("batucada_requests_running") == 2
            for name in ("web", "wire"):
                assert abort("alice", name) == 1
            assert over_http.result().status_code == 409
            with pytest.raises(grpc.RpcError):
                list(over_grpc)


OPEN = {"ServerLive", "ServerReady", "ModelReady", "Check", "Watch"}


def test_every_method_but_health_needs_a_key(stubs):
    """Of all that any of the services has, offered here or not; with an empty message, on whatever shape of call."""
    services = [stubs[0].DESCRIPTOR.services_by_name["Inference"],
                service_pb2.DESCRIPTOR.services_by_name["GRPCInferenceService"],
                health_pb2.DESCRIPTOR.services_by_name["Health"],
                reflection_pb2.DESCRIPTOR.services_by_name["ServerReflection"]]
    code = grpc.StatusCode
    with Server(*FAKE, "--api-key", "alice") as server, grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        def outcome(path, key):
            metadata = [("authorization", f"Bearer {key}")] if key else []
            call = channel.stream_stream(path)(iter([b""]), metadata=metadata, timeout=PATIENCE_S)
            try:
                next(call, None)
                call.cancel()
                return code.OK
            except grpc.RpcError as error:
                return error.code()
        closed = set()
        for service in services:
            for method in service.methods:
                path = f"/{service.full_name}/{method.name}"
                opened, *refused = (outcome(path, key) for key in ("alice", "", "mallory"))
                if opened == code.UNIMPLEMENTED:
                    continue
                needs = method.name not in OPEN
                assert opened != code.UNAUTHENTICATED, path
                assert [one == code.UNAUTHENTICATED for one in refused] == [needs] * 2, (path, refused)
                closed |= {method.name} if needs else set()
    assert {"Generate", "Complete", "Chat", "Abort", "ModelInfer", "ModelStreamInfer", "RepositoryIndex", "ModelMetadata",
            "ServerReflectionInfo"} <= closed


def test_request_ids_are_not_of_one_sequence(fast):
    """No generator's state is in them: 64 random bits of each, as bits, are as often set as not."""
    ids = [int(fast.http.get("/health/live").headers["x-request-id"], 16) for _ in range(200)]
    assert len(set(ids)) == 200
    for bit in range(128):
        assert 40 < sum(number >> bit & 1 for number in ids) < 160


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
    server = Server(*FAKE, "--shutdown-grace", "3s")
    try:
        with H2(server.grpc_port) as client:
            stream = client.open("/grpc.health.v1.Health/Watch")
            client.data_frame(stream, message(0), end=True)
            assert client.receive(lambda c: c.data.get(stream) == message(2, b"\x08\x01"))
            server.signal()
            assert client.receive(lambda c: c.data[stream] == message(2, b"\x08\x01") + message(2, b"\x08\x02"))
    except BaseException:
        server.process.kill()
        raise
    server.expect_orderly_end()
