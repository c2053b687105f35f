"""What a machine can do to the program: files that change or rot, disks that are full, limits, clocks that jump. Each ends
in a clear message or is borne; never in silence, and never in wrong tokens. Kills are in test_restarts.py."""

import json
import os
import pathlib
import resource
import shutil
import signal
import socket
import struct
import subprocess
import time

import grpc
import httpx
import pytest

from server import BINARY, MODEL, PATIENCE_S, SANITIZED, Server, run, wait_until

HERE = pathlib.Path(__file__).resolve().parent
FAKE = ("--backend", "fake")
not_sanitized = pytest.mark.skipif(SANITIZED, reason="sanitizers have their own ideas of memory and signals")
GREEDY = {"prompt": "It was a dark", "max_tokens": 8, "temperature": 0}


@pytest.fixture
def model(tmp_path):
    """A copy of the embedded model that a test may spoil."""
    return pathlib.Path(shutil.copytree(MODEL, tmp_path / "model"))


def serve(model, *flags, **options):
    return run("serve", "--model", str(model), "--port", "0", "--grpc-port", "0", *(flags or ("--backend", "cpu")), **options)


def spoil_length(weights):
    weights.write_bytes(struct.pack("<Q", 1 << 60) + weights.read_bytes()[8:])


def spoil_header(weights):
    data = bytearray(weights.read_bytes())
    data[20:60] = os.urandom(40)
    weights.write_bytes(data)


def cut_data(weights):
    os.truncate(weights, weights.stat().st_size - 1)


def cut_header(weights):
    os.truncate(weights, 100)


def append(weights):
    weights.write_bytes(weights.read_bytes() + b"more")


def empty(weights):
    os.truncate(weights, 0)


def widen(weights):
    """Sizes that fit the file, but not the model."""
    config = weights.parent / "config.json"
    values = json.loads(config.read_text())
    values["hidden_size"] *= 2
    config.write_text(json.dumps(values))


@pytest.mark.parametrize("spoil", [spoil_length, spoil_header, cut_data, cut_header, append, empty, widen])
def test_a_corrupt_checkpoint_is_one_sentence(model, spoil):
    spoil(model / "model.safetensors")
    ended = serve(model)
    assert ended.returncode == 2 and len(ended.stderr.splitlines()) == 1, ended.stderr
    assert ended.stderr.startswith("batucada: ") and "safetensors" in ended.stderr


# --- files that change while they are read


def large_model(folder, repeats=12):
    """The embedded model's layers many times over, all zeros and not on disk: its reading takes long enough to be caught."""
    config = json.loads((MODEL / "config.json").read_text())
    layers = config["num_hidden_layers"]
    attention = config["attn"]["layers"]
    config["num_hidden_layers"] = layers * repeats
    config["attn"]["layers"] = [i + layers * n for n in range(repeats) for i in attention]
    with open(MODEL / "model.safetensors", "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
    tensors, end = {}, 0
    for name, tensor in header.items():
        if name == "__metadata__":
            continue
        parts = name.split(".")
        copies = [name]
        if "layers" in parts:
            at = parts.index("layers") + 1
            copies = [".".join([*parts[:at], str(int(parts[at]) + layers * n), *parts[at + 1:]]) for n in range(repeats)]
        size = tensor["data_offsets"][1] - tensor["data_offsets"][0]
        for copy in copies:
            tensors[copy] = {**tensor, "data_offsets": [end, end + size]}
            end += size
    text = json.dumps(tensors).encode()
    folder.mkdir()
    for path in MODEL.iterdir():
        if path.name not in ("config.json", "model.safetensors"):
            (folder / path.name).symlink_to(path)
    (folder / "config.json").write_text(json.dumps(config))
    with open(folder / "model.safetensors", "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + end)
    return folder


def change_while_loading(folder, change):
    """What the program says, and its exit code, if `change` is done to the weights once they are mapped. None: it was done
    with them before, and maybe serves already."""
    weights = folder / "model.safetensors"
    command = [BINARY, "serve", "--model", str(folder), "--backend", "cpu", "--port", "0", "--grpc-port", "0",
               "--max-sequences", "1", "--max-total-tokens", "64"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        maps = pathlib.Path(f"/proc/{process.pid}/maps")

        def mapped():
            return process.poll() is not None or "model.safetensors" in maps.read_text()
        wait_until(mapped, "the weights to be mapped")
        process.send_signal(signal.SIGSTOP)
        late = "model.safetensors" not in maps.read_text()
        change(weights)
        process.send_signal(signal.SIGCONT)
        late = late or any(line.startswith("ready ") for line in process.stdout)
        if late:
            process.kill()
        said = process.stderr.read()
    return None if late else (process.returncode, said)


@not_sanitized
@pytest.mark.parametrize("change, code, says", [
    (lambda weights: os.truncate(weights, weights.stat().st_size // 8), 1, "got shorter"),
    (lambda weights: os.truncate(weights, weights.stat().st_size - 2), 2, "was changed while it was read"),
    (lambda weights: os.utime(weights), 2, "was changed while it was read"),
], ids=["cut", "cut within the last page", "written"])
def test_weights_that_change_while_they_are_read(tmp_path, change, code, says):
    for attempt in range(5):
        caught = change_while_loading(large_model(tmp_path / str(attempt)), change)
        if caught is not None:
            break
    assert caught is not None, "the model was always read too fast"
    assert caught[0] == code and says in caught[1] and len(caught[1].splitlines()) == 1, caught


def test_weights_that_are_cut_once_it_serves_change_nothing(model):
    """They were copied: the file is not looked at again."""
    with Server("--model", str(model), "--backend", "cpu", "--max-sequences", "4") as server:
        before = server.complete(**GREEDY)["choices"][0]["text"]
        os.truncate(model / "model.safetensors", 0)
        assert server.complete(**GREEDY)["choices"][0]["text"] == before


# --- standard streams


def test_a_full_disk_for_the_log_stops_nothing():
    with open("/dev/full", "w") as full, Server(*FAKE, stdout=full, stderr=full) as server:
        for _ in range(50):
            server.complete(prompt="a", max_tokens=2)


def test_nobody_reads_the_log():
    read, write = os.pipe()
    os.close(read)
    with Server(*FAKE, stdout=write, stderr=write) as server:
        os.close(write)
        for _ in range(50):
            server.complete(prompt="a", max_tokens=2)


@pytest.mark.parametrize("missing", [(0, 1, 2), (2,)])
def test_without_standard_streams_the_log_goes_nowhere_else(missing):
    def close_some():
        for fd in missing:
            os.close(fd)
    with Server(*FAKE, preexec_fn=close_some) as server:
        server.complete(prompt="a", max_tokens=2)
        for fd in missing:
            assert os.readlink(f"/proc/{server.process.pid}/fd/{fd}") == "/dev/null"


# --- limits


@not_sanitized  # one asks through a pipe whether memory can be read, and takes having none for a no
@pytest.mark.parametrize("port", ["http_port", "grpc_port"])
def test_out_of_file_descriptors_it_waits_and_recovers(port):
    def limit():
        resource.setrlimit(resource.RLIMIT_NOFILE, (96, 96))
    begin = time.monotonic()
    with Server(*FAKE, preexec_fn=limit) as server:
        crowd = [socket.create_connection(("127.0.0.1", getattr(server, port))) for _ in range(200)]
        for _ in range(20):  # on a connection of its own each time, as probes do
            answer = httpx.get(f"{server.url}/health/live", timeout=PATIENCE_S, trust_env=False)
            assert answer.status_code == 200
        before = server.cpu_seconds()
        time.sleep(1)
        assert server.cpu_seconds() - before < 0.3, "it must not spin"
        for connection in crowd:
            connection.close()
        assert server.complete(prompt="a", max_tokens=2)["usage"]["completion_tokens"] == 2
        server.wait_for_metric("batucada_http_connections", 1)
        if port == "http_port":
            assert "cannot accept a connection: Too many open files" in server.log()
        # Each port says so every ten seconds at most.
        assert server.log().count("cannot accept a connection") <= 2 * (1 + (time.monotonic() - begin) / 10)


@not_sanitized
def test_not_enough_memory_is_one_sentence():
    def limit():
        resource.setrlimit(resource.RLIMIT_AS, (300 << 20, 300 << 20))
    ended = serve(MODEL, preexec_fn=limit)
    if ended.returncode == 127:  # a build with CUDA: its libraries alone are larger
        pytest.skip(ended.stderr.strip())
    assert ended.returncode == 1 and len(ended.stderr.splitlines()) == 1 and "memory" in ended.stderr, ended.stderr


@not_sanitized
def test_a_small_stack_has_room_for_what_recurses(tmp_path):
    """As deep as templates and JSON may nest, on every thread, whatever `ulimit -s` says."""
    template = tmp_path / "endless.jinja"
    template.write_text("{% macro f(n) %}{{ f(n + 1) }}{% endmacro %}{{ f(0) }}")

    def limit():
        resource.setrlimit(resource.RLIMIT_STACK, (128 << 10, resource.getrlimit(resource.RLIMIT_STACK)[1]))
    with Server(*FAKE, "--chat-template", str(template), preexec_fn=limit) as server:
        chat = {"messages": [{"role": "user", "content": "a"}]}
        for body in (json.dumps(chat), "[" * 5000):
            answer = server.http.post("/v1/chat/completions", content=body, headers={"Content-Type": "application/json"})
            assert answer.status_code == 400, answer.text
        assert server.complete(prompt="a", max_tokens=2)["usage"]["completion_tokens"] == 2


def unprivileged(kind, soft, hard):
    """For subprocess: a limit that the program may not raise."""
    return {"preexec_fn": lambda: resource.setrlimit(kind, (soft, hard))} | ({"user": 65534} if os.geteuid() == 0 else {})


@not_sanitized
def test_a_stack_that_stays_small_is_one_sentence():
    ended = run("version", **unprivileged(resource.RLIMIT_STACK, 1 << 20, 1 << 20))
    assert ended.returncode == 1
    assert ended.stderr == "batucada: a stack may have less than 2 MiB here: raise its limit (ulimit -s)\n"


@not_sanitized
def test_too_few_threads_is_one_sentence():
    ended = serve(MODEL, **unprivileged(resource.RLIMIT_NPROC, 1, 1))
    assert ended.returncode == 1 and len(ended.stderr.splitlines()) == 1, ended.stderr
    assert "no more threads may be started: raise their limit (ulimit -u" in ended.stderr
    assert "memory (ulimit -v)" in ended.stderr, "a stack that finds no room fails alike"


# --- clocks


@pytest.fixture
def jumping(tmp_path):
    """A server whose system clock is set with jumping.jump(seconds)."""
    library, offset = tmp_path / "clock_offset.so", tmp_path / "offset"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, HERE / "clock_offset.c"], check=True)
    offset.write_text("0")
    server = Server(*FAKE, "--fake-step-time", "20ms", "--drain-timeout", "1s",
                    env={"LD_PRELOAD": str(library), "CLOCK_OFFSET_FILE": str(offset)})

    def jump(seconds):
        (tmp_path / "new").write_text(str(seconds))
        (tmp_path / "new").rename(offset)
    server.jump = jump
    yield server
    server.process.kill()
    server.wait()


@not_sanitized
@pytest.mark.parametrize("seconds", [3600, -3600])
def test_a_clock_that_jumps(jumping, stubs, seconds):
    messages, services = stubs
    with grpc.insecure_channel(f"127.0.0.1:{jumping.grpc_port}") as channel:
        inference = services.InferenceStub(channel)
        ask = messages.GenerateRequest(text="It was", max_tokens=5)
        inference.Complete(ask, timeout=PATIENCE_S)
        with jumping.http.stream("POST", "/v1/completions",
                                 json={"prompt": "a", "max_tokens": 100_000, "ignore_eos": True, "stream": True}) as endless:
            jumping.jump(seconds)
            # The jump is there for who reads the clock, and so in an answer: soon, where the clock is not read each time.
            for _ in range(300):
                told = jumping.complete(prompt="a", max_tokens=2)["created"]
                if abs(told - time.time() - seconds) < 60:
                    break
                time.sleep(0.1)
            assert abs(told - time.time() - seconds) < 60
            # A deadline that has time is kept, and one that has not is not.
            inference.Complete(ask, timeout=PATIENCE_S)
            long = messages.GenerateRequest(text="It was", max_tokens=100_000)
            with pytest.raises(grpc.RpcError) as error:
                inference.Complete(long, timeout=0.5)
            assert error.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
            assert jumping.http.get("/health/live").status_code == 200
            begin = time.monotonic()
            jumping.signal()
            assert '"finish_reason":"shutdown"' in "".join(endless.iter_text())
        assert jumping.wait() == 0 and time.monotonic() - begin < 20
