"""Starting, ending, and refusing to start: what an operator and an orchestrator see."""

import json
import os
import random
import re
import resource
import signal
import socket
import subprocess
import threading

import grpc
import httpx
import openai
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from patience import PATIENCE_S
from server import MODEL, Server, run, wait_until

FAKE = ("--backend", "fake")
SLOW = (*FAKE, "--fake-step-time", "20ms")


class Stream(threading.Thread):
    """Reads a completion in the background."""

    def __init__(self, server, max_tokens):
        super().__init__(daemon=True)
        self.events = server.openai().completions.create(model="", prompt="It was", max_tokens=max_tokens, stream=True,
                                                         extra_body={"return_token_ids": True})
        self.tokens, self.finish_reason, self.error = 0, None, None
        self.started = threading.Event()
        self.start()

    def run(self):
        try:
            for event in self.events:
                self.tokens += len(event.choices[0].token_ids)
                self.finish_reason = event.choices[0].finish_reason
                self.started.set()
        except (openai.APIError, httpx.HTTPError) as error:
            self.error = error


def test_drain_lets_streams_finish():
    server = Server(*SLOW, "--shutdown-grace", "5s")
    streams = [Stream(server, 150) for _ in range(4)]
    for stream in streams:
        assert stream.started.wait(PATIENCE_S)
    server.signal()
    # Unready while still accepting, so that balancers can look elsewhere.
    wait_until(lambda: server.http.get("/health/ready").status_code == 503, "unready")
    assert server.http.get("/health/live").status_code == 200
    for stream in streams:
        stream.join(PATIENCE_S)
        assert (stream.tokens, stream.finish_reason, stream.error) == (150, "length", None)
    server.expect_orderly_end()


def test_drain_ends_what_takes_too_long():
    server = Server(*SLOW, "--drain-timeout", "300ms")
    stream = Stream(server, 100_000)
    assert stream.started.wait(PATIENCE_S)
    server.signal()
    stream.join(PATIENCE_S)
    assert stream.finish_reason == "shutdown"
    assert isinstance(stream.error, openai.APIError) and "shut down" in str(stream.error)
    server.expect_orderly_end()


def test_calls_that_wait_for_nothing_do_not_hold_a_drain():
    server = Server(*FAKE, "--drain-timeout", "1h", "--api-key", "secret", "--grpc-reflection", "on")
    open_end = threading.Event()

    def nothing():
        open_end.wait()
        yield from ()
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
        key = [("authorization", "Bearer secret")]
        calls = [watch] + [channel.stream_stream(f"/{path}")(nothing(), metadata=key) for path in (
            "inference.GRPCInferenceService/ModelStreamInfer", "batucada.v1.Inference/PutCheckpoint",
            "grpc.reflection.v1.ServerReflection/ServerReflectionInfo")]
        server.signal()
        server.expect_orderly_end()
        open_end.set()
        for call in calls:
            with pytest.raises(grpc.RpcError, match="the server is shutting down") as error:
                list(call)
            assert error.value.code() == grpc.StatusCode.UNAVAILABLE


def test_no_new_connections_while_draining():
    server = Server(*SLOW)
    stream = Stream(server, 200)
    assert stream.started.wait(PATIENCE_S)
    server.signal()

    def refused():
        try:
            socket.create_connection(("127.0.0.1", server.http_port), timeout=5).close()
            return False
        except ConnectionResetError:
            return False  # it waited to be accepted when the port was closed
        except ConnectionRefusedError:
            return True
    wait_until(refused, "connections to be refused")
    stream.join(PATIENCE_S)
    assert (stream.tokens, stream.finish_reason) == (200, "length")
    server.expect_orderly_end()


def test_who_is_answered_while_draining_is_not_to_ask_again():
    server = Server(*SLOW)
    answers = []
    ask = threading.Thread(target=lambda: answers.append(server.http.post("/v1/completions", timeout=PATIENCE_S, json={"prompt": "a", "max_tokens": 100})))
    ask.start()
    server.wait_for_metric("batucada_requests_running", 1)
    server.signal()
    ask.join(PATIENCE_S)
    assert answers[0].status_code == 200 and answers[0].headers["connection"] == "close"
    server.expect_orderly_end()


def test_second_signal_ends_at_once():
    server = Server(*SLOW)
    stream = Stream(server, 100_000)
    assert stream.started.wait(PATIENCE_S)
    server.signal()
    wait_until(lambda: "second signal" in server.log(), "the first signal to be noticed")
    server.signal()
    assert server.wait() == -signal.SIGTERM  # a shell says 128 + 15
    stream.join(PATIENCE_S)


def test_interrupt_is_an_orderly_end_too():
    server = Server(*FAKE)
    server.signal(signal.SIGINT)
    assert server.wait() == 0


def test_texts_whose_clients_have_left_end_before_what_they_tell(stubs):
    pb, services = stubs
    text = "".join(random.Random(1).choices("abcdefghijklmnopqrstuvwxyz", k=1_000_000))  # a second of work, or a part of one
    with Server(*FAKE, "--drain-timeout", "0", env={"MALLOC_PERTURB_": "165"}) as server:  # who reads freed memory fails
        with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
            call = services.InferenceStub(channel).Tokenize.future(pb.TokenizeRequest(text=text))
            wait_until(lambda: server.metric('batucada_request_memory_bytes{part="body"}') > 0 or call.done(), "the text")
            call.cancel()
        server.wait_for_metric("batucada_grpc_connections", 0)


def test_large_texts_do_not_hold_up_the_end(stubs):
    """Six texts each of which takes a second of a core and more: what they cost is counted, not how long it is, for other
    programs may have the machine."""
    pb, services = stubs
    text = "".join(random.Random(1).choices("abcdefghijklmnopqrstuvwxyz", k=7_000_000))
    server = Server(*FAKE, "--drain-timeout", "0", "--text-threads", "1")
    before = server.cpu_seconds()
    assert server.http.post("/tokenize", json={"prompt": text}).status_code == 200
    one = server.cpu_seconds() - before
    body, answers = json.dumps({"prompt": text}).encode(), []

    def ask():
        with httpx.Client(timeout=PATIENCE_S, trust_env=False) as client:
            try:
                answers.append(client.post(f"{server.url}/tokenize", content=body))
            except httpx.RemoteProtocolError:
                answers.append(None)  # its body was still on its way
    threads = [threading.Thread(target=ask) for _ in range(5)]
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        for thread in threads:
            thread.start()
        call = services.InferenceStub(channel).Tokenize.future(pb.TokenizeRequest(text=text))
        wait_until(lambda: server.metric("batucada_text_backlog_bytes") > 21_000_000, "three texts to wait")
        earlier = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent = server.cpu_seconds()
        server.signal()
        assert server.wait() == 0, server.log()
        now = resource.getrusage(resource.RUSAGE_CHILDREN)
        for thread in threads:
            thread.join(PATIENCE_S)
        told = [call.code()]
    after = now.ru_utime + now.ru_stime - earlier.ru_utime - earlier.ru_stime - spent
    assert after < 1.5 * one, f"{after} s of a core after the signal, and a text takes {one}"
    assert len(answers) == 5
    for answer in answers:
        assert answer is None or answer.status_code == 200 or "shutting down" in answer.json()["error"]["message"]
        told.append({200: grpc.StatusCode.OK, 503: grpc.StatusCode.UNAVAILABLE}[503 if answer is None else answer.status_code])
    assert told.count(grpc.StatusCode.UNAVAILABLE) >= 3 and set(told) <= {grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE}


def test_texts_may_be_worked_on_until_the_time_to_drain_is_over():
    text = "".join(random.Random(1).choices("abcdefghijklmnopqrstuvwxyz", k=2_000_000))
    server = Server(*FAKE, "--drain-timeout", f"{PATIENCE_S}s", "--text-threads", "1")
    answers = []

    def ask():
        with httpx.Client(timeout=PATIENCE_S, trust_env=False) as client:
            answers.append(client.post(f"{server.url}/tokenize", json={"prompt": text}).status_code)
    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    wait_until(lambda: server.metric("batucada_text_backlog_bytes") > 6_000_000, "three texts to wait")
    server.signal()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert answers == [200] * 4
    server.expect_orderly_end()


def test_port_in_use_is_one_sentence():
    with Server(*FAKE) as server:
        for flags in (("--port", str(server.http_port), "--grpc-port", "0"), ("--port", "0", "--grpc-port", str(server.grpc_port))):
            ended = run("serve", *FAKE, "--model", str(MODEL), *flags)
            assert ended.returncode == 1
            assert len(ended.stderr.splitlines()) == 1 and flags[1 if flags[1] != "0" else 3] in ended.stderr


@pytest.mark.parametrize("flags, env, message", [
    (("--max-sequences", "many"), {}, "--max-sequences: 'many'"),
    (("--max-sequences", "0"), {}, "max"),
    (("--drain-timeout", "30"), {}, "30s"),
    (("--backend", "tpu"), {}, "auto, cpu, cuda, fake"),
    (("--no-such-flag",), {}, "--no-such-flag"),
    ((), {"BATUCADA_POOL_MEMORY": "lots"}, "BATUCADA_POOL_MEMORY"),
    (("--config", "does-not-exist.toml"), {}, "does-not-exist.toml"),
], ids=str)
def test_wrong_settings_are_one_sentence(flags, env, message):
    ended = run("serve", *flags, env=env)
    assert ended.returncode == 2
    assert message in ended.stderr and len(ended.stderr.splitlines()) == 1


def test_a_missing_model_is_one_sentence():
    ended = run("serve", *FAKE, "--model", "no/such/model")
    assert ended.returncode in (1, 2) and "no/such/model" in ended.stderr and len(ended.stderr.splitlines()) == 1


def test_environment_and_file_and_flag(tmp_path):
    config = tmp_path / "batucada.toml"
    config.write_text('served-model-name = ["from-file"]\nmax-choices = 2\nmax-prompts = 2\nbackend = "fake"\n')
    with Server("--config", str(config), "--max-choices", "4", env={"BATUCADA_MAX_PROMPTS": "3"}) as server:
        assert [model["id"] for model in server.http.get("/v1/models").json()["data"]] == ["from-file"]
        assert "1 to 4" in server.http.post("/v1/completions", json={"prompt": "a", "n": 9}).text
        assert "at most 3" in server.http.post("/v1/completions", json={"prompt": ["a"] * 9}).text


def test_start_up_says_what_was_decided():
    with Server(*FAKE, "--served-model-name", "one", "--served-model-name", "two") as server:
        log = server.log()
        assert f"ready http=127.0.0.1:{server.http_port} grpc=127.0.0.1:{server.grpc_port}" in log
        assert "curl -N" in log and "device" in log and "Authorization" not in log
        assert server.complete(prompt="a", model="two")["model"] == "two"
        assert server.complete(prompt="a")["model"] == "one"


def test_the_first_question_works_where_keys_are_required():
    with Server(*FAKE, "--api-key", "secret") as server:
        told = wait_until(lambda: re.search(r"curl (.*?)\n\n", server.log(), re.DOTALL), "the first question")
        assert "secret" not in server.log()
        answer = subprocess.run(["sh", "-c", f"curl -s {told.group(1)}"], env={**os.environ, "BATUCADA_API_KEY": "secret"},
                                capture_output=True, text=True, timeout=PATIENCE_S, check=True).stdout
        assert answer.rstrip().endswith("data: [DONE]"), answer


def test_help_is_grouped():
    ended = run("serve", "--help")
    assert ended.returncode == 0
    for heading in ("Model:", "Listening:", "Batching and memory:", "Limits of a request:"):
        assert heading in ended.stdout


def test_other_commands():
    assert run("version").stdout.startswith("batucada ")
    assert run("nonsense").returncode == 2
    assert run().returncode == 2
    inspected = run("inspect", str(MODEL), "--memory", "1GiB", "--json")
    sizes = json.loads(inspected.stdout)
    assert sizes["parameters"] > 17e6 and sizes["sequences_that_fit"] > 100
    wide = json.loads(run("inspect", str(MODEL), "--activations", "fp32", "--json").stdout)
    assert wide["weight_bytes"] == sizes["weight_bytes"]
    assert wide["sequence_bytes"]["kv"] == 2 * sizes["sequence_bytes"]["kv"] > 0
    assert "per sequence" in run("inspect", str(MODEL)).stdout
    assert run("inspect", "no/such/model").returncode != 0


def test_complete_streams_to_the_terminal():
    ask = ("complete", "It was a dark", *FAKE, "--model", str(MODEL), "--max-tokens", "20", "--seed", "3")
    ended = run(*ask)
    assert ended.returncode == 0 and ended.stdout.startswith("It was a dark") and len(ended.stdout) > 30
    assert "tokens/s" in ended.stderr
    assert run(*ask).stdout == ended.stdout
    assert run(*ask, "--temperature", "9").returncode == 2


def test_not_alive_when_work_makes_no_progress():
    server = Server(*FAKE, "--fake-step-time", "30s", "--stall-timeout", "500ms", "--drain-timeout", "0")
    assert server.http.get("/health/live").status_code == 200
    with server.http.stream("POST", "/v1/completions", json={"prompt": "a", "stream": True}):
        wait_until(lambda: server.http.get("/health/live").status_code == 503, "not alive")
        assert "no step" in server.http.get("/health/live").json()["reason"]
        for path in ("/health", "/health/ready", "/health/live", "/v2/health/live", "/v2/health/ready"):
            response = server.http.get(path)
            assert response.status_code == 503 and response.headers["retry-after"] == "1", path
        for body, states in ((b"", ["UNAVAILABLE"]), (b'{"ready": true}', [])):
            index = server.http.post("/v2/repository/index", content=body)
            assert (index.status_code, [one["state"] for one in index.json()]) == (200, states)
    server.process.kill()
    server.wait()
