"""Sessions: what is listed, saved, restored and erased; states from one server to another; and who may."""

import concurrent.futures
import contextlib
import hashlib
import json
import os
import socket
import struct
import threading
import time

import grpc
import httpx
import pytest

from patience import PATIENCE_S
from server import ROOT, Server, run, wait_until

TEMPLATE = ROOT / "tests/integration/templates/chatml.jinja"
FAKE = ("--backend", "fake", "--fake-step-time", "0s", "--prefix-cache", "on", "--host-cache", "64MiB")
ALICE, BOB = ({"authorization": f"Bearer {name}"} for name in ("alice", "bob"))
KEYS = ("--api-key", "alice", "--api-key", "bob")
LONG = "It was the best of times, it was the worst of times. " * 40


@pytest.fixture(scope="module")
def keyed():
    with Server(*FAKE, *KEYS, "--chat-template", str(TEMPLATE)) as server:
        yield server


def complete(server, headers=ALICE, **body):
    answer = server.http.post("/v1/completions", headers=headers, json={"max_tokens": 12, "temperature": 0, **body})
    assert answer.status_code == 200, answer.text
    return answer.json()


def sessions(server, headers=ALICE, query=""):
    answer = server.http.get("/v1/sessions" + query, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


def kept(server, name, tokens):
    """The session once it has a state of so many tokens, which is kept a step after the answer is given."""
    def listed():
        return next((one for one in sessions(server)["data"] if one["id"] == name and one["tokens"] == tokens), None)
    return wait_until(listed, f"{tokens} tokens of {name}")


def cached(answer):
    return answer["usage"]["prompt_tokens_details"]["cached_tokens"]


def test_a_session_is_listed_with_its_newest_state_and_to_its_key_alone(keyed):
    prompt = [5 + i % 90 for i in range(300)]
    complete(keyed, prompt=prompt, session_id="talk", prompt_cache_key="other name")
    one = kept(keyed, "talk", 311)
    assert one["tier"] in ("device", "host") and not one["stored"]
    assert one["last_used_at"] > 1_600_000_000
    assert not [one for one in sessions(keyed, BOB)["data"] if one["id"] == "talk"]
    one = keyed.http.get("/v1/sessions/talk", headers=ALICE).json()
    assert one["tokens"] == 311
    assert keyed.http.get("/v1/sessions/talk", headers=BOB).status_code == 404
    assert keyed.http.delete("/v1/sessions/talk", headers=BOB).status_code == 404
    assert keyed.http.delete("/v1/sessions/talk", headers=ALICE).json() == {"id": "talk", "object": "session.deleted", "deleted": True}
    assert keyed.http.get("/v1/sessions/talk", headers=ALICE).json()["error"]["code"] == "session_not_found"


def test_who_has_the_answer_has_the_session(keyed):
    """The state is kept a step after the answer is given: whoever asks at once waits for it."""
    prompt = [7 + i % 80 for i in range(300)]
    for turn in range(20):
        complete(keyed, prompt=prompt + [turn], session_id="brief")
        assert keyed.http.get("/v1/sessions/brief", headers=ALICE).json()["tokens"] == 312
        complete(keyed, prompt=prompt + [turn, 5], session_id="brief")
        assert keyed.http.delete("/v1/sessions/brief", headers=ALICE).status_code == 200
        complete(keyed, prompt=[turn])  # steps in which a deleted session could come back
        assert keyed.http.get("/v1/sessions/brief", headers=ALICE).status_code == 404, turn


def test_an_escaped_slash_is_a_part_of_the_name(keyed):
    for name in ("q", "q/"):
        complete(keyed, prompt=[9 + len(name)] * 300, session_id=name)
    assert keyed.http.delete("/v1/sessions/q%2F", headers=ALICE).json()["id"] == "q/"
    assert keyed.http.get("/v1/sessions/q%2F", headers=ALICE).status_code == 404
    assert keyed.http.get("/v1/sessions/q/", headers=ALICE).json()["id"] == "q"


def test_conversations_are_sessions(keyed):
    client = keyed.openai().with_options(api_key="alice")
    conversation = client.conversations.create()
    listed = {one["id"]: one for one in sessions(keyed)["data"]}
    assert listed[conversation.id]["stored"] and listed[conversation.id]["tier"] is None
    # Of one that has no state, too, the store knows when it was used; one session is told as the list tells it.
    one = keyed.http.get(f"/v1/sessions/{conversation.id}", headers=ALICE).json()
    assert one == listed[conversation.id] and one["last_used_at"] > 1_600_000_000
    client.responses.create(model="samba-classics-18m", input=LONG, conversation=conversation.id, max_output_tokens=8)
    one = keyed.http.get(f"/v1/sessions/{conversation.id}", headers=ALICE).json()
    assert one["stored"] and one["tokens"] > 300 and one["tier"] in ("device", "host")
    # What is added to its items is a use of it, too.
    wait_until(lambda: time.time() >= one["last_used_at"] + 1, "the next second")
    client.conversations.items.create(conversation.id, items=[{"type": "message", "role": "user", "content": "And?"}])
    listed = {one["id"]: one for one in sessions(keyed)["data"]}
    assert listed[conversation.id]["last_used_at"] > one["last_used_at"]
    assert keyed.http.get(f"/v1/sessions/{conversation.id}", headers=ALICE).json() == listed[conversation.id]
    client.conversations.delete(conversation.id)
    assert keyed.http.get(f"/v1/sessions/{conversation.id}", headers=ALICE).status_code == 404


def test_pages(keyed):
    for i in range(5):
        complete(keyed, BOB, prompt=[9 + i] * 100, session_id=f"page-{i}")
    first = sessions(keyed, BOB, "?limit=2")
    assert len(first["data"]) == 2 and first["has_more"] and first["last_id"] == first["data"][1]["id"]
    rest = sessions(keyed, BOB, f"?limit=100&after={first['last_id']}")
    names = [one["id"] for one in first["data"] + rest["data"]]
    assert sorted(names) == [f"page-{i}" for i in range(5)] and not rest["has_more"]
    unknown = keyed.http.get("/v1/sessions?after=nope", headers=BOB)
    assert unknown.status_code == 400 and unknown.json()["error"]["param"] == "after"


def test_without_keys_they_are_told_to_the_machine_itself_alone():
    """To others a key says whose they are."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:  # which sends nothing
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has no address but its loopback's")
        address = probe.getsockname()[0]
    with Server(*FAKE, "--host", "0.0.0.0") as server:
        complete(server, {}, prompt=[5] * 100, session_id="talk")
        assert [one["id"] for one in sessions(server, {})["data"]] == ["talk"]
        refused = httpx.get(f"http://{address}:{server.http_port}/v1/sessions", timeout=PATIENCE_S, trust_env=False)
        error = refused.json()["error"]
        assert (refused.status_code, error["type"]) == (403, "permission_error") and "--api-key" in error["message"], error


def test_slots_save_restore_and_erase(keyed):
    def act(slot, action, body=None, headers=ALICE):
        return keyed.http.post(f"/slots/{slot}?action={action}", headers=headers, json=body or {})

    asked = keyed.http.post("/completion", headers=ALICE, json={"prompt": LONG, "n_predict": 4, "id_slot": 3, "temperature": 0})
    assert asked.status_code == 200, asked.text
    saved = act(3, "save", {"filename": "talk.bin"})
    assert saved.status_code == 200 and saved.json()["n_saved"] > 300 and saved.json()["filename"] == "talk.bin", saved.text
    erased = act(3, "erase").json()
    assert erased == {"id_slot": 3, "n_erased": saved.json()["n_saved"]}
    assert act(3, "save", {"filename": "talk.bin"}).status_code == 404
    restored = act(5, "restore", {"filename": "talk.bin"}).json()
    assert restored["id_slot"] == 5 and restored["n_restored"] == saved.json()["n_saved"]
    assert act(5, "restore", {"filename": "talk.bin"}, BOB).status_code == 404
    again = keyed.http.post("/completion", headers=ALICE, json={"prompt": LONG + " And", "n_predict": 4, "id_slot": 5}).json()
    assert again["tokens_cached"] > 300
    for slot, action, body in ((1, "freeze", {}), ("x", "save", {"filename": "a"}), (1 << 31, "save", {"filename": "a"}), (1, "save", {}),
                               (1, "save", {"filename": "f" * 300})):
        refused = act(slot, action, body)
        assert refused.status_code == 400, (slot, action, refused.text)


def test_close_session(keyed):
    complete(keyed, prompt=[7] * 200, session_id="closing")
    assert keyed.http.post("/close_session", headers=ALICE, json={"session_id": "closing"}).json() == {"closed": True}
    assert keyed.http.post("/close_session", headers=ALICE, json={"session_id": "closing"}).json() == {"closed": False}
    assert keyed.http.post("/close_session", headers=ALICE, json={}).status_code == 400


def test_names_come_back_after_a_restart_and_so_does_what_they_stand_for(tmp_path):
    flags = (*FAKE, *KEYS, "--disk-cache", str(tmp_path))
    prompt = [5 + i % 90 for i in range(300)]
    with Server(*flags) as server:
        first = complete(server, prompt=prompt, session_id="long lived", return_token_ids=True)
    with Server(*flags) as server:
        assert [(one["id"], one["tokens"], one["tier"]) for one in sessions(server)["data"]] == [("long lived", 311, "disk")]
        assert sessions(server, BOB)["data"] == []
        goes_on = complete(server, prompt=prompt + first["choices"][0]["token_ids"] + [7, 8], session_id="long lived")
        assert cached(goes_on) == 311


def test_a_saved_slot_comes_back_after_a_restart(tmp_path):
    flags = (*FAKE, *KEYS, "--disk-cache", str(tmp_path))

    def act(server, slot, action):
        answer = server.http.post(f"/slots/{slot}?action={action}", headers=ALICE, json={"filename": "talk.bin"})
        assert answer.status_code == 200, answer.text
        return answer.json()
    with Server(*flags) as server:
        asked = server.http.post("/completion", headers=ALICE, json={"prompt": LONG, "n_predict": 4, "id_slot": 3, "temperature": 0})
        assert asked.status_code == 200, asked.text
        wait_until(lambda: server.metric("batucada_prefix_disk_writes_total") > 0, "the slot's own state on the disk")
        saved = act(server, 3, "save")["n_saved"]
    with Server(*flags) as server:
        assert act(server, 5, "restore")["n_restored"] == saved > 300


@pytest.mark.parametrize("parked", (False, True))
def test_a_drain_leaves_a_running_session_to_the_next_process(tmp_path, parked):
    """Whether it runs when the end is asked for, or is parked for an urgent request, and comes back before the end."""
    backend = ("--backend", "fake", "--fake-step-time", "5ms") if parked else ("--backend", "cpu")
    flags = (*backend, "--prefix-cache", "on", "--host-cache", "64MiB", "--disk-cache", str(tmp_path), "--max-sequences", "1",
             "--min-priority", "-1", "--client-share", "1", *(("--park", "1") if parked else ()))
    prompt, ids, ending = [5 + i % 90 for i in range(300)], [], False
    with Server(*flags) as server, contextlib.ExitStack() as urgent:
        with server.http.stream("POST", "/v1/completions", json={"prompt": prompt, "max_tokens": 200, "temperature": 0, "stream": True,
                                                                 "ignore_eos": True, "session_id": "s", "return_token_ids": True}) as stream:
            for line in stream.iter_lines():
                if not line.startswith("data: {"):
                    continue
                if not ending and parked:
                    one = {"prompt": "Quick", "max_tokens": 200, "ignore_eos": True, "priority": -1, "stream": True}
                    quick = urgent.enter_context(server.http.stream("POST", "/v1/completions", json=one))
                    server.wait_for_metric("batucada_requests_parked", 1)
                if not ending:
                    server.process.terminate()  # while it is being answered
                ending = True
                ids += json.loads(line[6:])["choices"][0]["token_ids"]
        if parked:
            assert "data: [DONE]" in quick.read().decode()
        server.process.wait(PATIENCE_S)
    assert len(ids) == 200
    ask = {"prompt": prompt + ids + [9, 8, 7], "max_tokens": 8}
    with Server(*flags) as server:
        resumed = complete(server, {}, **ask, session_id="s")
        assert cached(resumed) == 499
    with Server(*backend) as server:
        cold = complete(server, {}, **ask)
    assert resumed["choices"][0]["text"] == cold["choices"][0]["text"]


# --- from one server to another --------------------------------------------------------------------------------------


def session_command(server, *arguments, key=""):
    env = {"BATUCADA_API_KEY": key} if key else {}
    return run("session", *arguments, "--server", f"127.0.0.1:{server.grpc_port}", env=env)


def test_an_exported_session_goes_on_elsewhere(tmp_path):
    flags = ("--backend", "cpu", "--prefix-cache", "on", "--host-cache", "64MiB", *KEYS)
    file = str(tmp_path / "talk.state")
    with Server(*flags) as first, Server(*flags) as second:
        prompt = [5 + i % 90 for i in range(300)]
        said = complete(first, prompt=prompt, session_id="talk", cache_salt="pepper", return_token_ids=True)
        kept(first, "talk", 311)
        exported = session_command(first, "export", "talk", file, key="alice")
        assert exported.returncode == 0, exported.stderr
        assert session_command(first, "export", "talk", file + "2", key="bob").returncode == 1  # not bob's
        assert not os.path.exists(file + "2")
        imported = session_command(second, "import", file, key="alice")
        assert imported.returncode == 0 and "talk" in imported.stdout, imported.stderr
        [listed] = sessions(second)["data"]
        assert listed["id"] == "talk" and listed["tier"] == "host" and listed["tokens"] == 311
        # Of this key and salt alone.
        ask = {"prompt": prompt + said["choices"][0]["token_ids"] + [9, 8, 7], "max_tokens": 24}
        assert cached(complete(second, BOB, **ask, cache_salt="pepper")) == 0
        assert cached(complete(second, ALICE, **ask)) == 0
        warm = complete(second, **ask, cache_salt="pepper")
        assert cached(warm) == 311
        cold = complete(first, BOB, **ask)
        assert cached(cold) == 0
        assert warm["choices"][0]["text"] == cold["choices"][0]["text"]
        renamed = session_command(second, "import", file, "--session", "walk", key="alice")
        assert renamed.returncode == 0 and "walk" in renamed.stdout, renamed.stderr
        assert "walk" in {one["id"] for one in sessions(second)["data"]}


def test_what_was_exported_goes_with_its_session(tmp_path):
    with Server(*FAKE) as server:
        prompt = [5 + i % 90 for i in range(300)]
        said = complete(server, {}, prompt=prompt, session_id="talk", return_token_ids=True)
        exported = session_command(server, "export", "talk", str(tmp_path / "talk.state"))
        assert exported.returncode == 0, exported.stderr
        assert server.http.delete("/v1/sessions/talk").status_code == 200
        goes_on = complete(server, {}, prompt=prompt + said["choices"][0]["token_ids"] + [7, 8])
        assert cached(goes_on) < 311


def test_what_a_server_says_is_told_as_it_was_said(tmp_path, stubs):
    """On its way to the client a percent sign is escaped."""
    _, services = stubs

    class Full(services.InferenceServicer):
        def GetCheckpoint(self, request, context):
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "100 % is taken")

    server = grpc.server(concurrent.futures.ThreadPoolExecutor(1))
    services.add_InferenceServicer_to_server(Full(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    refused = run("session", "export", "talk", str(tmp_path / "talk.state"), "--server", f"127.0.0.1:{port}")
    server.stop(None)
    assert refused.returncode == 1 and "100 % is taken" in refused.stderr, refused.stderr


@pytest.fixture(scope="module")
def state(tmp_path_factory):
    """A file of the fake model's, and a server that takes it."""
    file = tmp_path_factory.mktemp("state") / "talk.state"
    with Server(*FAKE, *KEYS) as server:
        complete(server, prompt=[5 + i % 90 for i in range(300)], session_id="talk")
        assert session_command(server, "export", "talk", str(file), key="alice").returncode == 0
        yield server, file.read_bytes()


def test_whose_key_is_wrong_is_told_so_however_long_the_file(state, tmp_path):
    """The server has answered before the file has gone out, which libcurl takes for a broken connection."""
    server, whole = state
    for size in (len(whole), 6 << 20):
        file = tmp_path / "talk.state"
        file.write_bytes(whole.ljust(size, b"x"))
        refused = session_command(server, "import", str(file), key="mallory")
        assert refused.returncode == 1 and "'authorization: Bearer KEY'" in refused.stderr, refused.stderr


@pytest.mark.parametrize("damage, said", [
    (lambda b: b[:-1], "was cut off"),
    (lambda b: b[: len(b) // 2], "was cut off"),
    (lambda b: b"", "no file of a session's state"),
    (lambda b: b"x" * 5000, "no file of a session's state"),
    (lambda b: b + b"more", "goes on behind its end"),
    (lambda b: b[:200] + bytes([b[200] ^ 1]) + b[201:], "have changed"),
    (lambda b: b[:-5] + bytes([b[-5] ^ 1]) + b[-4:], "have changed"),
])
def test_a_damaged_file_is_refused_with_a_sentence(state, tmp_path, damage, said):
    server, whole = state
    file = tmp_path / "damaged"
    file.write_bytes(damage(whole))
    refused = session_command(server, "import", str(file), "--session", "no", key="alice")
    assert refused.returncode == 1 and said in refused.stderr, refused.stderr
    assert "no" not in {one["id"] for one in sessions(server)["data"]}


def test_a_state_of_another_model_or_device_is_refused(state, tmp_path):
    _, whole = state
    file = tmp_path / "foreign"
    file.write_bytes(whole)
    with Server("--backend", "cpu", "--prefix-cache", "on", "--host-cache", "64MiB", *KEYS) as cpu:
        refused = session_command(cpu, "import", str(file), key="alice")
        assert refused.returncode != 0 and "the weights, the backend or the sizes of a state differ" in refused.stderr
        assert sessions(cpu)["data"] == []


@pytest.mark.parametrize("name, said", [(b"\xc3(", "session is not UTF-8"), (b"a\0", "session has a NUL")])
def test_a_session_has_a_name_that_can_be_said(state, tmp_path, name, said):
    """In JSON and in a path, whether a file says it or a request."""
    server, whole = state
    begin = 16 + 40 + sum(struct.unpack_from("<2Q", whole, 16))
    content = whole[:begin] + name + whole[begin + len(name) : -32]
    file = tmp_path / "odd"
    file.write_bytes(content + hashlib.sha256(content).digest())
    before = sessions(server)["data"]
    refused = session_command(server, "import", str(file), key="alice")
    assert refused.returncode != 0 and said in refused.stderr, refused.stderr
    assert sessions(server)["data"] == before
    for parameter in ("session_id", "prompt_cache_key"):
        answer = server.http.post("/v1/completions", headers=ALICE, json={"prompt": "a", "max_tokens": 1, parameter: "a\0"})
        assert answer.status_code == 400 and f"{parameter} has a NUL" in answer.json()["error"]["message"]


def test_a_state_of_another_models_sizes_or_words_is_refused(state, tmp_path):
    """Longer than a text may be here, in other blocks, or with a token that the model lacks."""
    server, whole = state
    lengths = struct.unpack_from("<5Q", whole, 16)  # server/common/state_file.h
    ids = 16 + 40 + sum(lengths[:3])

    def refusal(server, content):
        file = tmp_path / "talk.state"
        file.write_bytes(content)
        refused = session_command(server, "import", str(file), "--session", "no", key="alice")
        assert refused.returncode != 0 and "no" not in {one["id"] for one in sessions(server)["data"]}, refused.stdout
        return refused.stderr

    for foreign in (-1, 1 << 20):
        content = whole[:ids + 40] + struct.pack("<i", foreign) + whole[ids + 44:-32]
        assert f"has the token {foreign}, which this model does not know" in refusal(server, content + hashlib.sha256(content).digest())
    content = whole[:16] + struct.pack("<Q", 4002) + whole[24:56] + b"\x9bm" + b"x" * 4000 + whole[56 + lengths[0]:-32]
    assert "the state is of \\x9bm" + "x" * 158 + "…, and" in refusal(server, content + hashlib.sha256(content).digest())
    with Server(*FAKE, *KEYS, "--max-total-tokens", "300") as short:
        assert "the state is of 311 tokens: it must be 1 to 300 (max-total-tokens)" in refusal(short, whole)
    with Server(*FAKE, *KEYS, "--block-tokens", "32") as other:
        assert "the sizes of a state differ" in refusal(other, whole)


def test_who_may_put_a_state_where_it_is_used_for_everybody(state, tmp_path):
    _, whole = state
    file = tmp_path / "shared"
    file.write_bytes(whole)
    with Server(*FAKE, *KEYS, "--api-key", "chief admin", "--prefix-cache-scope", "server") as shared:
        refused = session_command(shared, "import", str(file), key="alice")
        assert refused.returncode == 1 and "only a key with the right admin" in refused.stderr
        taken = session_command(shared, "import", str(file), key="chief")
        assert taken.returncode == 0, taken.stderr
    with Server(*FAKE) as open_to_all:  # without keys, the machine itself may
        assert session_command(open_to_all, "import", str(file)).returncode == 0


def test_what_is_no_state_is_not_read_to_its_end(tmp_path):
    with Server(*FAKE) as server:
        endless = session_command(server, "import", "/dev/zero")
        assert endless.returncode == 2 and "no regular file" in endless.stderr
        file = tmp_path / "sparse"
        file.write_bytes(b"x" * 100)
        os.truncate(file, 1 << 40)
        large = session_command(server, "import", str(file))
        assert large.returncode == 1 and "no file of a session's state" in large.stderr


def test_without_room_for_states_on_the_host_it_says_so(tmp_path):
    with Server("--backend", "fake", "--fake-step-time", "0s", "--prefix-cache", "on") as server:
        complete(server, {}, prompt=[5] * 300, session_id="talk")
        refused = session_command(server, "export", "talk", str(tmp_path / "x"))
        assert refused.returncode == 1 and "--host-cache" in refused.stderr
        assert session_command(server, "export", "nothing", str(tmp_path / "x")).returncode == 1


def test_parts_may_be_of_any_size_and_a_large_claim_is_refused_at_once(state, stubs):
    pb, services = stubs
    server, whole = state
    metadata = (("authorization", "Bearer alice"),)
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        stub = services.InferenceStub(channel)
        claim = bytearray(whole[:64])
        claim[48:56] = (1 << 39).to_bytes(8, "little")
        with pytest.raises(grpc.RpcError) as refused:
            stub.PutCheckpoint(iter([pb.PutCheckpointRequest(data=bytes(claim))]), metadata=metadata, timeout=PATIENCE_S)
        assert refused.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        # A claim that would fit holds nothing before it comes.
        claim[48:56] = (64 << 20).to_bytes(8, "little")
        arrived = threading.Event()

        def slowly():
            yield pb.PutCheckpointRequest(data=bytes(claim))
            arrived.wait(PATIENCE_S)

        pending = stub.PutCheckpoint.future(slowly(), metadata=metadata, timeout=PATIENCE_S)
        held = 'batucada_request_memory_bytes{part="body"}'
        wait_until(lambda: server.metric(held) > 0, "the head to have come")
        assert server.metric(held) < 4 << 20
        arrived.set()
        assert pending.code() != grpc.StatusCode.OK
        parts = [pb.PutCheckpointRequest(session="in parts", data=whole[i : i + 1000]) for i in range(0, len(whole), 1000)]
        put = stub.PutCheckpoint(iter(parts), metadata=metadata, timeout=PATIENCE_S)
        parts[-1].session = "another"
        with pytest.raises(grpc.RpcError, match="session is another, and was in parts in an earlier message") as error:
            stub.PutCheckpoint(iter(parts), metadata=metadata, timeout=PATIENCE_S)
        assert error.value.code() == grpc.StatusCode.INVALID_ARGUMENT
        assert put.session == "in parts" and put.tokens == 311
        # What comes behind the end that its head told of is refused as it comes: the sender's end is not waited for.
        refusal = threading.Event()

        def too_much():
            yield pb.PutCheckpointRequest(data=whole)
            yield pb.PutCheckpointRequest(data=b"more")
            refusal.wait(PATIENCE_S)

        grown = stub.PutCheckpoint.future(too_much(), metadata=metadata, timeout=PATIENCE_S)
        assert grown.code() == grpc.StatusCode.DATA_LOSS and "goes on behind its end" in grown.details()
        refusal.set()
        with pytest.raises(grpc.RpcError) as unknown:
            list(stub.GetCheckpoint(pb.GetCheckpointRequest(session="nobody's"), metadata=metadata, timeout=PATIENCE_S))
        assert unknown.value.code() == grpc.StatusCode.NOT_FOUND
    wait_until(lambda: server.metric('batucada_request_memory_bytes{part="body"}') == 0, "what it held to be given back")


def test_a_state_that_comes_slowly_and_steadily_is_waited_for(state, stubs):
    """All in all longer than for a sender of whom nothing comes."""
    pb, services = stubs
    _, whole = state

    def slowly():
        part = -(-len(whole) // 30)
        for begin in range(0, len(whole), part):
            time.sleep(0.2)
            yield pb.PutCheckpointRequest(data=whole[begin : begin + part])
    with Server(*FAKE, "--read-timeout", "5s", "--min-transfer-rate", "1") as server:
        with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
            put = services.InferenceStub(channel).PutCheckpoint(slowly(), timeout=PATIENCE_S)
    assert put.session == "talk" and put.tokens == 311


# --- one prefill for many --------------------------------------------------------------------------------------------


def test_sixteen_choices_and_two_responses_that_go_on_from_one_cost_one_prefill():
    with Server(*FAKE, "--chat-template", str(TEMPLATE)) as server:
        def computed():
            return server.metric("batucada_prompt_tokens_total")

        before = computed()
        answer = complete(server, {}, prompt=[5 + i % 90 for i in range(3000)], n=16)
        assert len(answer["choices"]) == 16
        assert computed() - before == 3000 + 15  # and the last token of each of the others
        client = server.openai()
        first = client.responses.create(model="samba-classics-18m", input=LONG, max_output_tokens=8)
        before = computed()
        for question in ("One?", "Two?"):
            answer = client.responses.create(model="samba-classics-18m", input=question, previous_response_id=first.id, max_output_tokens=8)
            assert answer.usage.input_tokens_details.cached_tokens > first.usage.input_tokens - 10
        assert computed() - before < 100
