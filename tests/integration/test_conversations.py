"""/v1/conversations through the official client, alone and with responses."""

import openai
import pytest

from server import ROOT, Server

TEMPLATE = ROOT / "tests/integration/templates/chatml.jinja"
MODEL = "samba-classics-18m"


@pytest.fixture(scope="module")
def fake():
    with Server("--backend", "fake", "--chat-template", str(TEMPLATE)) as server:
        yield server


@pytest.fixture
def client(fake):
    return fake.openai()


def user(text):
    return {"type": "message", "role": "user", "content": text}


def texts(page):
    return ["".join(part.text for part in item.content) for item in page]


def test_a_conversations_life(client):
    conversation = client.conversations.create(items=[user("one")], metadata={"a": "b"})
    assert conversation.id.startswith("conv_") and conversation.object == "conversation"
    assert client.conversations.retrieve(conversation.id) == conversation
    assert client.conversations.update(conversation.id, metadata={"c": "d"}).metadata == {"c": "d"}
    assert client.conversations.retrieve(conversation.id).metadata == {"c": "d"}
    most = {f"{i:é>64}": "é" * 512 for i in range(16)}  # characters, not bytes
    assert client.conversations.update(conversation.id, metadata=most).metadata == most
    deleted = client.conversations.delete(conversation.id)
    assert deleted.deleted and deleted.object == "conversation.deleted" and deleted.id == conversation.id
    for gone in (client.conversations.retrieve, client.conversations.delete, client.conversations.items.list,
                 lambda i: client.conversations.update(i, metadata={}),
                 lambda i: client.conversations.items.create(i, items=[user("a")])):
        with pytest.raises(openai.NotFoundError, match="Conversation with id 'conv_.*' not found"):
            gone(conversation.id)


def test_items(client):
    conversation = client.conversations.create()
    assert list(client.conversations.items.list(conversation.id)) == []
    made = client.conversations.items.create(conversation.id, items=[user(f"number {i}") for i in range(5)])
    assert texts(made.data) == [f"number {i}" for i in range(5)] and not made.has_more
    assert (made.first_id, made.last_id) == (made.data[0].id, made.data[-1].id)
    assert texts(client.conversations.items.list(conversation.id, limit=2)) == [f"number {i}" for i in (4, 3, 2, 1, 0)]
    assert texts(client.conversations.items.list(conversation.id, order="asc", after=made.data[2].id)) == [
        "number 3", "number 4"]
    assert client.conversations.items.list(conversation.id, limit=100, order="asc").data == made.data
    [third] = [item for item in made.data if item.content[0].text == "number 2"]
    assert client.conversations.items.retrieve(third.id, conversation_id=conversation.id) == third
    assert client.conversations.items.delete(third.id, conversation_id=conversation.id).id == conversation.id
    assert texts(client.conversations.items.list(conversation.id, order="asc")) == [
        f"number {i}" for i in (0, 1, 3, 4)]
    for gone in (client.conversations.items.retrieve, client.conversations.items.delete):
        with pytest.raises(openai.NotFoundError, match="Item with id"):
            gone(third.id, conversation_id=conversation.id)


def test_an_id_is_that_of_one_item(client):
    """Else pages, which go on behind one, would have no end."""
    conversation = client.conversations.create(items=[user("A"), {**user("first"), "id": "msg_mine"}])
    [item] = client.conversations.items.create(conversation.id, items=[user("B")]).data
    again = [{**user("second"), "id": "msg_mine"}]
    with pytest.raises(openai.BadRequestError, match="id msg_mine already") as error:
        client.conversations.items.create(conversation.id, items=again)
    assert error.value.param == "items"
    with pytest.raises(openai.BadRequestError, match="msg_mine"):
        client.conversations.items.create(conversation.id, items=[*[user("more")] * 200, *again])
    for items, place in ((again, 0), ([user("C"), {**user("D"), "id": item.id}], 1), ([{"type": "item_reference", "id": item.id}], 0)):
        with pytest.raises(openai.BadRequestError, match="an item before") as error:
            client.responses.create(model=MODEL, input=items, conversation=conversation.id, max_output_tokens=2)
        assert error.value.param == f"input[{place}].id"
    assert texts(client.conversations.items.list(conversation.id, limit=1, order="desc")) == ["B", "first", "A"]
    first = client.responses.create(model=MODEL, input=again, max_output_tokens=2)
    with pytest.raises(openai.BadRequestError, match="an item before"):
        client.responses.create(model=MODEL, input=again, previous_response_id=first.id, max_output_tokens=2)
    other = client.conversations.create(items=again)  # another's history
    assert texts(client.conversations.items.list(other.id)) == ["second"]


def test_responses_grow_their_conversation(fake, client):
    conversation = client.conversations.create(items=[user("one")])
    history = [{"role": "user", "content": "one"}]
    for turn, named in (("two", conversation.id), ("three", {"id": conversation.id})):
        response = client.responses.create(model=MODEL, input=turn, max_output_tokens=12, conversation=named,
                                           extra_body={"seed": 7})
        history.append({"role": "user", "content": turn})
        same = fake.http.post("/v1/chat/completions", json={"messages": history, "max_tokens": 12, "seed": 7}).json()
        assert response.output_text == same["choices"][0]["message"]["content"]
        assert response.conversation.id == conversation.id
        history.append({"role": "assistant", "content": response.output_text})
    items = client.conversations.items.list(conversation.id, order="asc")
    assert texts(items) == [message["content"] for message in history]
    client.conversations.delete(conversation.id)
    assert texts(client.responses.input_items.list(response.id, order="asc")) == [
        message["content"] for message in history[:-1]]
    with pytest.raises(openai.NotFoundError) as error:
        client.responses.create(model=MODEL, input="four", conversation=conversation.id)
    assert (error.value.code, error.value.param) == ("conversation_not_found", "conversation")


def test_a_conversation_needs_no_more_input(fake, client):
    conversation = client.conversations.create(items=[user("one")])
    response = client.responses.create(model=MODEL, conversation=conversation.id, max_output_tokens=4,
                                       extra_body={"seed": 7})
    same = fake.http.post("/v1/chat/completions", json={"messages": [{"role": "user", "content": "one"}],
                                                        "max_tokens": 4, "seed": 7}).json()
    assert response.output_text == same["choices"][0]["message"]["content"]
    empty = client.conversations.create()
    with pytest.raises(openai.BadRequestError) as error:
        client.responses.create(model=MODEL, conversation=empty.id)
    assert error.value.param == "input"


@pytest.mark.parametrize(("path", "body", "param"), [
    ("", {"items": "a"}, "items"),
    ("", {"items": [{"role": "nobody", "content": "a"}]}, "items[0].role"),
    ("", {"items": [{"type": "item_reference", "id": "a"}]}, "items[0].type"),
    ("", {"metadata": "a"}, "metadata"),
    ("/{id}", {}, "metadata"),
    ("/{id}/items", {}, "items"),
    ("/{id}/items", {"items": []}, "items"),
    ("/{id}/items", {"items": [{"role": "user", "content": 5}]}, "items[0].content"),
    ("", {"items": [{**user("a"), "id": "it"}, user("b"), {**user("c"), "id": "it"}]}, "items[2].id"),
])
def test_what_is_wrong_is_named(fake, client, path, body, param):
    conversation = client.conversations.create()
    answer = fake.http.post("/v1/conversations" + path.format(id=conversation.id), json=body)
    assert answer.status_code == 400 and answer.json()["error"]["param"] == param, answer.text
