"""Anthropic's Messages API through its official client."""

import hashlib

import anthropic
import httpx2
import jsonschema
import pytest

from server import ROOT, Server

TEMPLATES = ROOT / "tests/integration/templates"
MODEL = "samba-classics-18m"
USER = [{"role": "user", "content": "Weather in Rio?"}]
GREEDY = {"temperature": 0}  # which the API takes and newer clients have no name for
SCHEMA = {"type": "object", "properties": {"city": {"enum": ["Rio", "Lima"]}, "days": {"type": "integer", "minimum": 1, "maximum": 9}},
          "required": ["city", "days"], "additionalProperties": False}
WEATHER = {"name": "weather", "description": "Tells it", "input_schema": SCHEMA}


def client_of(server, **options):
    return anthropic.Anthropic(base_url=server.url, max_retries=0, http_client=httpx2.Client(trust_env=False),
                               **{"api_key": "none", **options})


@pytest.fixture(scope="module")
def server():
    with Server("--backend", "fake", "--fake-step-time", "0", "--chat-template", str(TEMPLATES / "qwen.jinja")) as made:
        yield made


@pytest.fixture(scope="module")
def client(server):
    return client_of(server)


def test_a_message(server, client):
    answer = client.messages.create(model=MODEL, max_tokens=12, messages=USER, extra_body=GREEDY, system="Be brief.")
    assert answer.id.startswith("msg_") and answer.role == "assistant" and answer.model == MODEL
    [block] = answer.content
    assert block.type == "text" and block.text and answer.stop_reason == "max_tokens" and answer.stop_sequence is None
    chat = server.openai().chat.completions.create(
        model=MODEL, max_tokens=12, temperature=0, messages=[{"role": "system", "content": "Be brief."}, *USER],
        extra_body={"chat_template_kwargs": {"enable_thinking": False}})
    assert block.text == chat.choices[0].message.content
    usage = answer.usage
    assert usage.output_tokens == 12 and usage.input_tokens + usage.cache_read_input_tokens == chat.usage.prompt_tokens
    stop = block.text[8:12]
    stopped = client.messages.create(model=MODEL, max_tokens=12, messages=USER, extra_body=GREEDY, system="Be brief.", stop_sequences=[stop])
    assert stopped.stop_reason == "stop_sequence" and stopped.stop_sequence == stop
    assert stopped.content[0].text == block.text[:block.text.index(stop)]


def test_a_stream_says_the_same(client):
    request = {"model": MODEL, "max_tokens": 16, "messages": USER, "extra_body": GREEDY}
    whole = client.messages.create(**request)
    types = []
    with client.messages.stream(**request) as stream:
        for event in stream:
            types.append(event.type)
        final = stream.get_final_message()
    assert final.content[0].text == whole.content[0].text and final.stop_reason == whole.stop_reason
    assert final.usage.output_tokens == 16 and final.id.startswith("msg_")
    assert types[0] == "message_start" and types[-1] == "message_stop"
    raw = [event.type for event in client.messages.create(**request, stream=True)]
    assert [one for one in raw if one not in ("ping", "content_block_delta")] == \
        ["message_start", "content_block_start", "content_block_stop", "message_delta", "message_stop"]


@pytest.mark.parametrize("choice", [{"type": "any"}, {"type": "tool", "name": "weather"}])
def test_tools(client, choice):
    request = {"model": MODEL, "max_tokens": 2000, "messages": USER, "tools": [WEATHER],
               "tool_choice": {**choice, "disable_parallel_tool_use": True}}
    answer = client.messages.create(**request, extra_body=GREEDY)
    [use] = answer.content
    assert use.type == "tool_use" and use.name == "weather" and use.id.startswith("toolu_") and answer.stop_reason == "tool_use"
    jsonschema.validate(use.input, SCHEMA)
    with client.messages.stream(**request, extra_body=GREEDY) as stream:
        final = stream.get_final_message()
    assert final.content[0].input == use.input and final.content[0].name == "weather" and final.stop_reason == "tool_use"
    history = [*USER, {"role": "assistant", "content": answer.content},
               {"role": "user", "content": [{"type": "tool_result", "tool_use_id": use.id, "content": [{"type": "text", "text": "22"}]},
                                            {"type": "text", "text": "And tomorrow?"}]}]
    assert client.messages.create(model=MODEL, max_tokens=4, messages=history, tools=[WEATHER]).content


def test_what_the_template_sees(server, client):
    def tokens(**body):
        return client.messages.count_tokens(model=MODEL, **body).input_tokens
    history = [*USER, {"role": "assistant", "content": [{"type": "thinking", "thinking": "Hm.", "signature": ""}, {"type": "text", "text": "Let me see."},
                                                        {"type": "tool_use", "id": "c1", "name": "weather", "input": {"city": "Rio", "days": 1}}]},
               {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1", "content": "22"}, {"type": "text", "text": "Thanks."}]}]
    as_chat = [*USER, {"role": "assistant", "content": "Let me see.", "reasoning_content": "Hm.", "tool_calls": [
        {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Rio", "days": 1}'}}]},
        {"role": "tool", "tool_call_id": "c1", "content": "22"}, {"role": "user", "content": "Thanks."}]
    tool = {"type": "function", "function": {"name": "weather", "description": "Tells it", "parameters": SCHEMA}}
    chat = server.http.post("/v1/chat/completions", json={"messages": as_chat, "tools": [tool], "max_tokens": 1,
                                                          "chat_template_kwargs": {"enable_thinking": False}}).json()
    assert tokens(messages=history, tools=[WEATHER]) == chat["usage"]["prompt_tokens"]
    assert tokens(messages=USER, system=[{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}]) > tokens(messages=USER)
    blocks = [{"type": "text", "text": "Be brief"}, {"type": "text", "text": "Be kind"}]
    asked = {"model": MODEL, "max_tokens": 12, "messages": USER, "extra_body": GREEDY}
    split, whole = (client.messages.create(**asked, system=system) for system in (blocks, "Be brief\nBe kind"))
    assert (split.content, split.usage.input_tokens + split.usage.cache_read_input_tokens) == \
        (whole.content, whole.usage.input_tokens + whole.usage.cache_read_input_tokens)
    # What a tool that failed said is what is told; "error" stands in for saying nothing.
    def told(**result):
        turn = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1", **result}]}
        return tokens(messages=[*history[:-1], turn], tools=[WEATHER])
    assert told(is_error=True, content="There is no such city as Rioo.") == told(content="There is no such city as Rioo.") > told(is_error=True)
    # The assistant's last message is gone on with.
    assert tokens(messages=[*USER, {"role": "assistant", "content": "It is"}]) < tokens(messages=[*USER, {"role": "assistant", "content": "It is"}, USER[0]])


def test_thinking(client):
    request = {"model": MODEL, "max_tokens": 64, "messages": USER, "extra_body": GREEDY}
    # The template opens the thinking only where a client asks for it.
    plain = client.messages.create(**request)
    assert [block.type for block in plain.content] == ["text"]
    budget = {"type": "enabled", "budget_tokens": 8}
    answer = client.messages.create(**request, thinking=budget)
    with client.messages.stream(**request, thinking=budget) as stream:
        final = stream.get_final_message()
    assert [(block.type, getattr(block, "text", None)) for block in final.content] == \
        [(block.type, getattr(block, "text", None)) for block in answer.content]


def test_thinking_is_signed(tmp_path):
    """Some clients keep none without it."""
    template = tmp_path / "template.jinja"
    template.write_text((TEMPLATES / "qwen.jinja").read_text().replace("thinks_at_once is defined", "true"))
    with Server("--backend", "fake", "--fake-step-time", "0", "--chat-template", str(template)) as server:
        client = client_of(server)
        request = {"model": MODEL, "max_tokens": 60, "messages": USER, "thinking": {"type": "enabled", "budget_tokens": 50},
                   "extra_body": GREEDY}
        whole = client.messages.create(**request).content[0]
        with client.messages.stream(**request) as stream:
            streamed = stream.get_final_message().content[0]
        assert whole.type == streamed.type == "thinking" and whole.thinking == streamed.thinking
        assert whole.signature == streamed.signature == hashlib.sha256(whole.thinking.encode()).hexdigest()


def test_structured_output(client):
    answer = client.messages.create(model=MODEL, max_tokens=200, messages=USER, extra_body={
        "output_config": {"format": {"type": "json_schema", "schema": {"enum": ["left", "right"]}}}})
    assert answer.content[0].text in ('"left"', '"right"') and answer.stop_reason == "end_turn"


@pytest.mark.parametrize("body, why", [
    ({"messages": []}, "messages"),
    ({"messages": [{"role": "robot", "content": "a"}]}, "messages[0].role"),
    ({"messages": [*USER, {"role": "assistant", "content": "b"}, {"role": "user", "content": []}]}, "messages[2].content is an empty list"),
    ({"tools": [WEATHER], "tool_choice": {"type": "tool"}}, "tool_choice.name is missing"),
    ({"messages": [{"role": "user", "content": [{"type": "image", "source": {}}]}]}, "messages[0].content[0].type"),
    ({"tools": [{"name": "a"}]}, "tools[0].input_schema"),
    ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "tools[0].type"),
    ({"tools": [{"name": "a", "strict": True, "input_schema": {"properties": {"b": {"uniqueItems": True}}}}], "tool_choice": {"type": "any"}},
     "$.properties.b.uniqueItems"),
    ({"tools": [WEATHER], "tool_choice": {"type": "tool", "name": "b"}}, "tool_choice.name"),
    ({"tool_choice": {"type": "tool", "name": "b"}}, "tool_choice asks for a call, and there are no tools"),
    ({"tools": [{"name": "a b", "input_schema": {}}]}, "tools[0].name must be"),
    ({"tools": [{"name": "a", "input_schema": {"type": 5}}]}, "tools[0].input_schema: $.type is no type"),
    ({"tools": [{"name": "a", "input_schema": {"not": {}}}], "tool_choice": {"type": "any"}}, "tools[0].input_schema: allows no text"),
    ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0].text is missing"),
    ({"messages": [{"role": "user", "content": [{"type": "a" + "é" * 60}]}]}, "messages[0].content[0].type is a" + "é" * 60 + ": "),
    ({"messages": [*USER, {"role": "assistant", "content": [{"type": "text", "text": None}]}]}, "messages[1].content[0].text is missing"),
    ({"system": [{"type": "text"}]}, "system[0].text is missing"),
    ({"messages": [*USER, {"role": "assistant", "content": [{"type": "tool_use", "name": "a", "input": {}}]}]}, "messages[1].content[0].id is missing"),
    ({"thinking": {"type": "enabled", "budget_tokens": 4}}, "thinking.budget_tokens is 4: it must be less than max_tokens"),
    ({"stop_sequences": [""]}, "stop_sequences[0] is empty"),
    ({"messages": []}, "messages has no message"),
    ({"messages": [{"role": "tool", "content": "a"}]}, "messages[0].role must be one of user, assistant, system"),
    ({"messages": [{"role": "user", "content": [{"type": "thinking", "thinking": "a"}]}]}, "in a user's message, text and tool_result"),
    ({"extra_body": {"output_config": {"effort": "bogus"}}}, "output_config.effort must be one of"),
    ({"extra_body": {"output_format": {"type": "json_schema", "schema": {"const": 1}},
                     "output_config": {"format": {"type": "json_schema", "schema": {"const": 2}}}}}, "output_format is another"),
    # What other APIs ask for by these names would be lost.
    *[({"extra_body": {name: value}}, name) for name, value in [
        ("response_format", {"type": "json_object"}), ("guided_choice", ["a"]), ("stop", "a"), ("max_completion_tokens", 2),
        ("logit_bias", {"5": 100}), ("frequency_penalty", 1), ("n", 2), ("seed", 5), ("chat_template_kwargs", {"a": 1}),
        ("logprobs", True), ("echo", True), ("instructions", "a"), ("previous_response_id", "a"), ("options", {"seed": 5})]],
    ({"max_tokens": 0}, "max_tokens"),
])
def test_errors_are_in_its_shape(client, body, why):
    with pytest.raises(anthropic.BadRequestError) as raised:
        client.messages.create(**{"model": MODEL, "max_tokens": 4, "messages": USER, **body})
    assert raised.value.request_id  # what its log calls it
    error = raised.value.body
    assert error["type"] == "error" and error["error"]["type"] == "invalid_request_error" and why in error["error"]["message"]


def test_a_budget_of_several_answers(client):
    more = {"anthropic-beta": "a, interleaved-thinking-2025-05-14"}
    assert client.messages.create(model=MODEL, max_tokens=4, messages=USER, thinking={"type": "enabled", "budget_tokens": 8}, extra_headers=more)


def test_no_such_model(client):
    with pytest.raises(anthropic.NotFoundError) as raised:
        client.messages.create(model="other", max_tokens=4, messages=USER)
    assert raised.value.body["error"]["type"] == "not_found_error"


def test_keys():
    with Server("--backend", "fake", "--api-key", "secret") as server:
        assert client_of(server, api_key="secret").messages.create(model=MODEL, max_tokens=2, messages=USER).content
        assert client_of(server, api_key=None, auth_token="secret").messages.create(model=MODEL, max_tokens=2, messages=USER).content
        with pytest.raises(anthropic.AuthenticationError) as raised:
            client_of(server, api_key="wrong").messages.create(model=MODEL, max_tokens=2, messages=USER)
        assert raised.value.body["error"]["type"] == "authentication_error"
        assert server.http.get("/v1/models", headers={"x-api-key": "secret"}).status_code == 200


def test_models_as_anthropics_client_knows_them(server):
    client = client_of(server)
    listed = client.models.list()
    [model] = list(listed)
    assert (model.id, model.type, model.display_name) == (MODEL, "model", MODEL)
    assert (listed.has_more, listed.first_id, listed.last_id) == (False, MODEL, MODEL)
    assert client.models.retrieve(MODEL) == model and model.created_at.tzinfo is not None
