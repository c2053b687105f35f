"""What outlives the process and what does not, whose it is, and its bounds."""

import os
import signal

import httpx
import openai
import pytest

from server import ROOT, Server, run, wait_until

TEMPLATE = ROOT / "tests/integration/templates/chatml.jinja"
MODEL = "samba-classics-18m"


def serve(*flags):
    return Server("--backend", "fake", "--chat-template", str(TEMPLATE), *flags)


def keyed(server, key):
    return openai.OpenAI(base_url=f"{server.url}/v1", api_key=key, max_retries=0,
                         http_client=httpx.Client(trust_env=False))


def ask(client, text, **more):
    return client.responses.create(model=MODEL, input=text, max_output_tokens=8, **more)


def test_responses_and_conversations_survive_a_kill(tmp_path):
    store = ("--store", str(tmp_path / "kept"))
    server = serve(*store)
    client = server.openai()
    first = ask(client, "one")
    conversation = client.conversations.create(items=[{"role": "user", "content": "two"}])
    ask(client, "three", conversation=conversation.id)
    endless = client.responses.create(model=MODEL, input="a", max_output_tokens=500_000, background=True,
                                      extra_body={"ignore_eos": True})
    server.signal(signal.SIGKILL)
    server.wait()
    with serve(*store) as server:
        client = server.openai()
        assert client.responses.retrieve(first.id) == first
        second = ask(client, "two", previous_response_id=first.id)
        inputs = list(client.responses.input_items.list(second.id, order="asc"))
        assert [item.content[0].text for item in inputs] == ["one", first.output_text, "two"]
        assert len(list(client.conversations.items.list(conversation.id))) == 3
        lost = client.responses.retrieve(endless.id)
        assert lost.status == "failed" and lost.error.code == "server_error"
        with pytest.raises(openai.BadRequestError, match="has not ended, or has failed"):
            ask(client, "b", previous_response_id=endless.id)


def test_without_a_directory_it_ends_with_the_process():
    with serve() as server:
        first = ask(server.openai(), "one")
        assert "responses are kept in memory" in server.log()
    with serve() as server, pytest.raises(openai.NotFoundError):
        server.openai().responses.retrieve(first.id)


def test_a_directory_is_one_servers(tmp_path):
    with serve("--store", str(tmp_path)):
        second = run("serve", "--backend", "fake", "--model", "models/samba-classics-18m", "--port", "0",
                     "--grpc-port", "0", "--store", str(tmp_path))
    assert second.returncode != 0 and "in use by another process" in second.stdout + second.stderr
    assert oct((tmp_path / "store.db").stat().st_mode & 0o777) == "0o600"


def test_another_key_sees_nothing():
    with serve("--api-key", "mine", "--api-key", "theirs") as server:
        mine, theirs = keyed(server, "mine"), keyed(server, "theirs")
        first = ask(mine, "one")
        conversation = mine.conversations.create(items=[{"role": "user", "content": "two"}])
        [item] = mine.conversations.items.list(conversation.id)
        for hidden in (lambda: theirs.responses.retrieve(first.id), lambda: theirs.responses.delete(first.id),
                       lambda: theirs.responses.cancel(first.id), lambda: theirs.responses.input_items.list(first.id),
                       lambda: ask(theirs, "a", conversation=conversation.id),
                       lambda: ask(theirs, [{"type": "item_reference", "id": item.id}]),
                       lambda: theirs.conversations.retrieve(conversation.id),
                       lambda: theirs.conversations.update(conversation.id, metadata={}),
                       lambda: theirs.conversations.items.list(conversation.id),
                       lambda: theirs.conversations.items.create(conversation.id, items=[{"role": "user", "content": "a"}]),
                       lambda: theirs.conversations.items.delete(item.id, conversation_id=conversation.id),
                       lambda: theirs.conversations.delete(conversation.id)):
            with pytest.raises(openai.NotFoundError):
                hidden()
        with pytest.raises(openai.BadRequestError, match="Previous response with id .* not found"):
            ask(theirs, "a", previous_response_id=first.id)
        stream = mine.responses.create(model=MODEL, input="a", max_output_tokens=500_000, stream=True,
                                       extra_body={"ignore_eos": True})
        running = next(stream).response.id
        for hidden in (theirs.responses.retrieve, theirs.responses.cancel, theirs.responses.delete):
            with pytest.raises(openai.NotFoundError):
                hidden(running)
        stream.close()
        assert mine.responses.retrieve(first.id) == first
        assert len(list(mine.conversations.items.list(conversation.id))) == 1


def test_what_nobody_uses_is_deleted():
    with serve("--store-ttl", "1s") as server:
        client = server.openai()
        first = ask(client, "one")
        wait_until(lambda: server.metric('batucada_store_entries{kind="response"}') == 0, "it to be deleted")
        assert server.metric('batucada_store_deleted_total{reason="age"}') == 1
        assert server.metric('batucada_store_entries{kind="item"}') == 0
        with pytest.raises(openai.NotFoundError):
            client.responses.retrieve(first.id)


def test_the_oldest_make_room(tmp_path):
    with serve("--store", str(tmp_path), "--store-size", "1MiB") as server:
        client = server.openai()
        asked = [ask(client, "word " * 10_000) for _ in range(30)]
        assert client.responses.retrieve(asked[-1].id).id == asked[-1].id
        with pytest.raises(openai.NotFoundError):
            client.responses.retrieve(asked[0].id)
        assert server.metric("batucada_store_bytes") <= server.metric("batucada_store_capacity_bytes") == 1 << 20
        assert server.metric('batucada_store_deleted_total{reason="room"}') > 0
        assert (tmp_path / "store.db").stat().st_size <= 3 << 19
        large = ask(client, "word " * 60_000)
        assert large.output_text and large.store is False
        assert large.store_error["code"] == "request_too_large" and "--store-size" in large.store_error["message"]
        with pytest.raises(openai.NotFoundError):
            client.responses.retrieve(large.id)
        assert client.responses.retrieve(asked[-1].id).id == asked[-1].id
        with pytest.raises(openai.APIStatusError, match="--store-size") as error:
            client.conversations.create(items=[{"role": "user", "content": "word " * 60_000}])
        assert error.value.code == "request_too_large"


def test_a_full_disk_is_the_stores_trouble_alone(tmp_path):
    with serve("--store", str(tmp_path)) as server:
        client = server.openai()
        first = ask(client, "one")
        # What a file may grow to, from now on: less than is there.
        os.system(f"prlimit --pid {server.process.pid} --fsize=4096:unlimited")
        answer = ask(client, "two", previous_response_id=first.id)
        assert answer.output_text and answer.store is False
        assert answer.store_error["code"] == "store_unavailable"
        assert client.responses.retrieve(first.id) == first
        refused = server.http.post("/v1/conversations", json={})
        assert refused.status_code == 503 and refused.json()["error"]["code"] == "store_unavailable"
        assert server.metric("batucada_store_failures_total") == 2
        os.system(f"prlimit --pid {server.process.pid} --fsize=unlimited")
        again = ask(client, "two", previous_response_id=first.id)
        assert again.store is True and client.responses.retrieve(again.id) == again


def test_a_damaged_file_is_set_aside(tmp_path):
    with serve("--store", str(tmp_path)) as server:
        first = ask(server.openai(), "one")
    file = tmp_path / "store.db"
    file.write_bytes(file.read_bytes()[:10_000])
    with serve("--store", str(tmp_path)) as server:
        client = server.openai()
        with pytest.raises(openai.NotFoundError):
            client.responses.retrieve(first.id)
        assert ask(client, "one").store is True
        assert server.log().count("is not sound") == 1 and (tmp_path / "store.db.corrupt").exists()
