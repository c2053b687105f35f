"""/v1/responses through the official client: what is made, streamed, kept and gone on from."""

import json

import openai
import pytest

from server import ROOT, Server, wait_until

TEMPLATE = ROOT / "tests/integration/templates/chatml.jinja"
MODEL = "samba-classics-18m"
TEXT_EVENTS = ["response.created", "response.in_progress", "response.output_item.added", "response.content_part.added",
               "response.output_text.delta", "response.output_text.done", "response.content_part.done",
               "response.output_item.done", "response.completed"]


@pytest.fixture(scope="module")
def fake():
    with Server("--backend", "fake", "--chat-template", str(TEMPLATE)) as server:
        yield server


@pytest.fixture(scope="module")
def crawling():
    """Slow enough to act while a response is made."""
    with Server("--backend", "fake", "--chat-template", str(TEMPLATE), "--fake-step-time", "20ms") as server:
        yield server


@pytest.fixture
def client(fake):
    return fake.openai()


def chat(server, messages, **body):
    """What /v1/chat/completions says to the same."""
    answer = server.http.post("/v1/chat/completions", json={"messages": messages, "seed": 7, **body})
    assert answer.status_code == 200, answer.text
    return answer.json()


def ask(client, text, **more):
    return client.responses.create(model=MODEL, input=text, max_output_tokens=12, extra_body={"seed": 7}, **more)


def texts(page):
    return ["".join(part.text for part in item.content) for item in page]


def test_the_answer_is_chats(fake, client):
    response = ask(client, "It was a dark night", instructions="Be brief.", temperature=0.5, top_p=0.9,
                   metadata={"a": "b"})
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "It was a dark night"}]
    same = chat(fake, messages, max_tokens=12, temperature=0.5, top_p=0.9)
    assert response.output_text == same["choices"][0]["message"]["content"]
    assert response.id.startswith("resp_") and response.object == "response" and response.model == MODEL
    assert response.status == "incomplete" and response.incomplete_details.reason == "max_output_tokens"
    assert response.to_dict()["completed_at"] is None
    assert (response.temperature, response.top_p, response.max_output_tokens) == (0.5, 0.9, 12)
    assert response.instructions == "Be brief." and response.metadata == {"a": "b"} and response.error is None
    assert response.usage.input_tokens == same["usage"]["prompt_tokens"]
    assert response.usage.output_tokens == 12
    assert response.usage.total_tokens == response.usage.input_tokens + 12
    assert response.usage.input_tokens_details.cached_tokens >= 0
    [item] = response.output
    assert (item.type, item.role, item.status) == ("message", "assistant", "incomplete")


def test_items_and_parts_are_messages(fake, client):
    items = [{"role": "developer", "content": "Be brief."},
             {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "It was"}]},
             {"type": "message", "role": "assistant", "id": "msg_1", "status": "completed",
              "content": [{"type": "output_text", "text": "late", "annotations": []}]},
             {"type": "reasoning", "id": "rs_1", "summary": []},
             {"role": "user", "content": "And?"}]
    messages = [{"role": "developer", "content": "Be brief."}, {"role": "user", "content": "It was"},
                {"role": "assistant", "content": "late"}, {"role": "user", "content": "And?"}]
    response = ask(client, items)
    assert response.output_text == chat(fake, messages, max_tokens=12)["choices"][0]["message"]["content"]
    kept = list(client.responses.input_items.list(response.id, order="asc"))
    assert [item.type for item in kept] == ["message", "message", "message", "reasoning", "message"]
    assert kept[2].id == "msg_1"


def test_a_stream_has_the_official_events(client):
    whole = ask(client, "It was a dark night", include=["message.output_text.logprobs"], top_logprobs=2)
    with client.responses.stream(model=MODEL, input="It was a dark night", max_output_tokens=12,
                                 include=["message.output_text.logprobs"], top_logprobs=2,
                                 extra_body={"seed": 7}) as stream:
        events = list(stream)
    kinds = [event.type for event in events]
    distinct = [kind for i, kind in enumerate(kinds) if i == 0 or kind != kinds[i - 1]]
    assert distinct == [*TEXT_EVENTS[:-1], "response.incomplete"]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    deltas = [event for event in events if event.type == "response.output_text.delta"]
    assert "".join(event.delta for event in deltas) == whole.output_text
    assert sum(len(event.logprobs) for event in deltas) == 12
    begun, done = events[0].response, events[-1].response
    assert begun.status == "in_progress" and begun.output == [] and begun.usage is None
    assert events[2].item.status == "in_progress" and events[2].item.content == []
    assert done.id == begun.id and done.output_text == whole.output_text
    [told], [same] = done.output[0].content, whole.output[0].content
    assert told.logprobs == same.logprobs and len(told.logprobs) == 12 and len(told.logprobs[0].top_logprobs) == 2
    assert client.responses.retrieve(done.id) == done
    [alone] = ask(client, "It was a dark night", top_logprobs=2).output[0].content
    assert alone.logprobs == same.logprobs, "without include, too"


def test_raw_events_have_their_names(fake):
    body = {"input": "a", "max_output_tokens": 3, "stream": True, "colour": "red"}
    answer = fake.http.post("/v1/responses", json=body)
    assert answer.headers["x-ignored-parameters"] == "colour"
    lines = answer.text.splitlines()
    names = [line.removeprefix("event: ") for line in lines if line.startswith("event: ")]
    data = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]
    assert names == [event["type"] for event in data] and names[-1] == "response.incomplete"


def test_what_is_kept(client):
    response = ask(client, "It was a dark night")
    again = client.responses.retrieve(response.id)
    assert again == response and again.store is True
    [item] = client.responses.input_items.list(response.id)
    assert (item.type, item.role, item.content[0].text) == ("message", "user", "It was a dark night")
    with pytest.raises(openai.BadRequestError, match="Cannot cancel a synchronous response"):
        client.responses.cancel(response.id)
    client.responses.delete(response.id)
    for gone in (client.responses.retrieve, client.responses.delete, client.responses.cancel,
                 client.responses.input_items.list):
        with pytest.raises(openai.NotFoundError, match="Response with id 'resp_.*' not found") as error:
            gone(response.id)
        assert error.value.body["type"] == "invalid_request_error"


def test_what_is_not_to_be_kept_is_not(client):
    response = ask(client, "a", store=False)
    assert response.store is False
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(response.id)


def test_responses_go_on_from_another_and_fork(fake, client):
    first = ask(client, "one", instructions="Not carried on.")
    turn = {"role": "user", "content": "one"}, {"role": "assistant", "content": first.output_text}
    forks = []
    for text in ("two", "three"):
        forks.append(ask(client, text, previous_response_id=first.id))
        same = chat(fake, [*turn, {"role": "user", "content": text}], max_tokens=12)
        assert forks[-1].output_text == same["choices"][0]["message"]["content"]
        assert forks[-1].usage.input_tokens == same["usage"]["prompt_tokens"]
        assert forks[-1].previous_response_id == first.id
    third = ask(client, "four", previous_response_id=forks[0].id)
    history = ["one", first.output_text, "two", forks[0].output_text, "four"]
    assert texts(client.responses.input_items.list(third.id, order="asc", limit=2)) == history  # it turns pages
    assert texts(client.responses.input_items.list(third.id)) == history[::-1]
    client.responses.delete(first.id)
    client.responses.delete(forks[0].id)
    assert texts(client.responses.input_items.list(third.id, order="asc")) == history
    with pytest.raises(openai.BadRequestError) as error:  # as OpenAI's clients know it
        ask(client, "five", previous_response_id=first.id)
    assert (error.value.code, error.value.param) == ("previous_response_not_found", "previous_response_id")


def test_a_conversation_comes_back_from_the_prefix_cache():
    with Server("--backend", "cpu", "--prefix-cache", "on", "--chat-template", str(TEMPLATE)) as server:
        client = server.openai()
        first = ask(client, "It was a dark and stormy night; " * 12)
        assert first.usage.input_tokens_details.cached_tokens == 0
        second = ask(client, "And then?", previous_response_id=first.id)
        assert second.usage.input_tokens_details.cached_tokens > first.usage.input_tokens / 2


def test_references_to_items(fake, client):
    first = ask(client, "one")
    [said] = client.responses.input_items.list(first.id)
    both = ask(client, [{"type": "item_reference", "id": said.id}, {"role": "user", "content": "two"}])
    same = chat(fake, [{"role": "user", "content": "one"}, {"role": "user", "content": "two"}], max_tokens=12)
    assert both.output_text == same["choices"][0]["message"]["content"]
    with pytest.raises(openai.NotFoundError) as error:
        ask(client, [{"type": "item_reference", "id": "msg_none"}])
    assert error.value.param == "input[0].id"


def test_past_calls_are_the_models_messages(tmp_path):
    template = tmp_path / "template.jinja"
    template.write_text("{% for m in messages %}[{{ m.role }}|{{ m.content }}{% for c in m.tool_calls or [] %}"
                        "{{ c.id }}{{ c.function.name }}{{ c.function.arguments }}{% endfor %}{{ m.tool_call_id }}]{% endfor %}")
    # Calls in a row are of one message.
    items = [{"role": "user", "content": "one"},
             {"type": "function_call", "call_id": "c1", "name": "f", "arguments": '{"a": 1}'},
             {"type": "function_call", "call_id": "c2", "name": "g", "arguments": '{"b": 2}'},
             {"type": "function_call_output", "call_id": "c2", "output": "3"},
             {"type": "function_call_output", "call_id": "c1", "output": "2"}]
    calls = [{"id": one["call_id"], "type": "function", "function": {"name": one["name"], "arguments": one["arguments"]}}
             for one in items[1:3]]
    messages = [{"role": "user", "content": "one"}, {"role": "assistant", "content": None, "tool_calls": calls},
                {"role": "tool", "tool_call_id": "c2", "content": "3"}, {"role": "tool", "tool_call_id": "c1", "content": "2"}]
    with Server("--backend", "fake", "--chat-template", str(template)) as server:
        same = chat(server, messages, max_tokens=12)["choices"][0]["message"]["content"]
        assert ask(server.openai(), items).output_text == same
        parts = [{"type": "input_text", "text": text} for text in ("It is", " 2")]
        messages[3]["content"], items[4]["output"] = "It is 2", parts
        whole = chat(server, messages, max_tokens=12)
        told = ask(server.openai(), items)
        assert told.usage.input_tokens == whole["usage"]["prompt_tokens"]
        assert told.output_text == whole["choices"][0]["message"]["content"]


def test_structured_text(client):
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"],
              "additionalProperties": False}
    response = client.responses.create(
        model=MODEL, input="a", max_output_tokens=200, temperature=0,
        text={"format": {"type": "json_schema", "name": "n", "schema": schema, "strict": True}})
    text = response.output_text if response.status == "completed" else response.output_text + "0}"
    assert response.output_text.startswith("{") and '"a"' in text
    assert response.text.format.name == "n"


def test_truncation_drops_the_oldest(fake, client):
    with Server("--backend", "fake", "--chat-template", str(TEMPLATE), "--max-total-tokens", "400") as server:
        small = server.openai()
        items = [{"role": "user", "content": f"number {i} of many that are not short"} for i in range(30)]
        with pytest.raises(openai.BadRequestError) as error:
            ask(small, items)
        assert error.value.code == "context_length_exceeded"
        response = ask(small, items, truncation="auto", instructions="Stay.")
        assert response.truncation == "auto" and response.usage.input_tokens <= 388
        kept = next(n for n in range(30, 0, -1) if chat(
            fake, [{"role": "system", "content": "Stay."}, *items[-n:]],
            max_tokens=1)["usage"]["prompt_tokens"] <= 388)
        same = chat(server, [{"role": "system", "content": "Stay."}, *items[-kept:]], max_tokens=12)
        assert response.output_text == same["choices"][0]["message"]["content"]


def test_cancel_ends_a_stream(crawling):
    client = crawling.openai()
    stream = client.responses.create(model=MODEL, input="a", max_output_tokens=5000, stream=True,
                                     extra_body={"ignore_eos": True})
    began = next(stream).response
    assert client.responses.retrieve(began.id).status == "in_progress"
    with pytest.raises(openai.BadRequestError, match="cancel it first"):
        client.responses.delete(began.id)
    assert client.responses.cancel(began.id).status == "cancelled"
    last = list(stream)[-1]
    assert last.type == "response.incomplete" and last.response.status == "cancelled"
    kept = client.responses.retrieve(began.id)
    assert kept.status == "cancelled" and kept.output == last.response.output
    assert client.responses.cancel(began.id) == kept
    crawling.wait_until_free()


def test_background(crawling):
    client = crawling.openai()
    begun = client.responses.create(model=MODEL, input="a", max_output_tokens=8, background=True)
    assert begun.status == "in_progress" and begun.background is True and begun.output == []
    done = wait_until(lambda: (lambda r: r if r.status != "in_progress" else None)(client.responses.retrieve(begun.id)),
                      "the response to end")
    assert done.status == "incomplete" and done.usage.output_tokens == 8 and done.output_text
    long = client.responses.create(model=MODEL, input="a", max_output_tokens=5000, background=True,
                                   extra_body={"ignore_eos": True})
    with pytest.raises(openai.BadRequestError, match="has not ended"):
        ask(client, "b", previous_response_id=long.id)
    assert client.responses.cancel(long.id).status == "cancelled"
    wait_until(lambda: client.responses.retrieve(long.id).status == "cancelled", "it to be cancelled")
    crawling.wait_until_free()


def test_a_background_response_outlives_its_conversation(crawling):
    client = crawling.openai()
    conversation = client.conversations.create()
    begun = client.responses.create(model=MODEL, input="a", max_output_tokens=200, background=True, conversation=conversation.id,
                                    extra_body={"ignore_eos": True})
    client.conversations.delete(conversation.id)
    client.responses.cancel(begun.id)
    done = wait_until(lambda: (lambda r: r if r.status != "in_progress" else None)(client.responses.retrieve(begun.id)),
                      "the response to end")
    assert done.status == "cancelled" and done.error is None
    assert [item.content[0].text for item in client.responses.input_items.list(begun.id)] == ["a"]
    crawling.wait_until_free()


def test_a_background_response_that_cannot_be_kept_says_so():
    with Server("--backend", "fake", "--fake-step-time", "0", "--store-size", "1MiB") as server:
        client = server.openai()
        begun = client.responses.create(model=MODEL, input="a", max_output_tokens=60_000, background=True, extra_body={"ignore_eos": True})
        done = wait_until(lambda: (lambda r: r if r.status != "in_progress" else None)(client.responses.retrieve(begun.id)),
                          "the response to end")
        assert done.status == "failed" and "--store-size" in done.error.message and done.output == []
        assert done.to_dict()["completed_at"] is None
        assert client.responses.retrieve(begun.id) == done


def test_a_background_response_that_finds_no_place_leaves_nothing_behind():
    with Server("--backend", "fake", "--chat-template", str(TEMPLATE), "--max-sequences", "1", "--max-waiting", "1") as server:
        with server.at_work():
            server.wait_for_metric("batucada_requests_running", 1)
            with server.at_work():
                server.wait_for_metric("batucada_requests_waiting", 1)
                with pytest.raises(openai.RateLimitError):
                    server.openai().responses.create(model=MODEL, input="a", max_output_tokens=8, background=True)
        assert server.metric('batucada_store_entries{kind="response"}') == 0


def test_who_leaves_takes_the_response_along(crawling):
    client = crawling.openai()
    stream = client.responses.create(model=MODEL, input="a", max_output_tokens=5000, stream=True,
                                     extra_body={"ignore_eos": True})
    began = next(stream).response
    stream.close()
    crawling.wait_until_free()

    def gone():
        return crawling.http.get(f"/v1/responses/{began.id}").status_code == 404
    wait_until(gone, "the response to be forgotten")


@pytest.mark.parametrize(("body", "param"), [
    ({}, "input"),
    ({"input": []}, "input"),
    ({"input": 5}, "input"),
    ({"input": [5]}, "input[0]"),
    ({"input": [{}]}, "input[0].type"),
    ({"input": [{"type": "computer_call"}]}, "input[0].type"),
    ({"input": [{"role": "wizard", "content": "a"}]}, "input[0].role"),
    ({"input": [{"role": "user"}]}, "input[0].content"),
    ({"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "a"}]}]}, "input[0].content[0].type"),
    ({"input": [{"role": "user", "content": [{"type": "input_text"}]}]}, "input[0].content[0].text"),
    ({"input": [{"role": "user", "content": "a", "id": "a b"}]}, "input[0].id"),
    ({"input": [{"type": "", "role": "user", "content": "a"}]}, "input[0].type"),
    ({"input": [{"role": "user", "content": "a", "status": "zzz"}]}, "input[0].status"),
    ({"input": [{"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}", "status": 5}]}, "input[0].status"),
    ({"input": [{"type": "function_call", "call_id": "c", "name": "", "arguments": "{}"}]}, "input[0].name"),
    ({"input": [{"type": "reasoning", "status": "zzz"}]}, "input[0].status"),
    ({"input": "a", "chat_template_kwargs": {"messages": []}}, "chat_template_kwargs.messages"),
    ({"input": "a", "tools": [{"type": "function", "name": "a", "parameters": {"type": 5}}]}, "tools[0].parameters"),
    ({"input": [{"type": "function_call", "call_id": "c", "name": "f"}]}, "input[0].arguments"),
    ({"input": [{"type": "function_call_output", "call_id": "c", "output": [{"type": "input_file"}]}]},
     "input[0].output[0]"),
    ({"input": [{"type": "function_call_output", "call_id": "c", "output": "x"}]}, "input[0].call_id"),
    ({"input": [{"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}] * 2}, "input[1].call_id"),
    ({"input": "a", "previous_response_id": ""}, "previous_response_id"),
    ({"input": "a", "conversation": ""}, "conversation"),
    ({"input": "a", "instructions": ["a"]}, "instructions"),
    ({"input": "a", "max_output_tokens": 0}, "max_output_tokens"),
    ({"input": "a", "temperature": "hot"}, "temperature"),
    ({"input": "a", "top_logprobs": 21}, "top_logprobs"),
    ({"input": "a", "top_logprobs": -1}, "top_logprobs"),
    ({"input": "a", "include": ["everything"]}, "include[0]"),
    ({"input": "a", "truncation": "middle"}, "truncation"),
    ({"input": "a", "metadata": {"a": 1}}, "metadata.a"),
    ({"input": "a", "metadata": {"k" * 65: "v"}}, "metadata." + "k" * 65),
    ({"input": "a", "metadata": {"a": "v" * 513}}, "metadata.a"),
    ({"input": "a", "metadata": {str(i): "v" for i in range(17)}}, "metadata"),
    ({"input": "a", "text": {"format": {"type": "poem"}}}, "text.format.type"),
    ({"input": "a", "text": {"format": {"type": "json_schema", "name": "n"}}}, "text.format.schema"),
    ({"input": "a", "text": {"format": {"type": "json_schema", "schema": {"type": "orange"}}}}, "text.format.schema"),
    ({"input": "a", "text": {"verbosity": "high"}}, "text.verbosity"),
    ({"input": "a", "n": 2}, "n"),
    ({"input": "a", "response_format": {"type": "json_object"}}, "response_format"),
    ({"input": "a", "tools": {}}, "tools"),
    ({"input": "a", "tools": [5]}, "tools[0]"),
    ({"input": "a", "tools": [{"type": "web_search"}]}, "tools[0].type"),
    ({"input": "a", "tools": [{"type": "function"}]}, "tools[0].name"),
    ({"input": "a", "tools": [{"type": "function", "name": "a b"}]}, "tools[0].name"),
    ({"input": "a", "tools": [{"type": "function", "function": {"name": "a"}}]}, "tools[0].name"),
    ({"input": "a", "tools": [{"type": "function", "name": "a"}] * 2}, "tools[1].name"),
    ({"input": "a", "tools": [{"type": "function", "name": "a", "parameters": 5}]}, "tools[0].parameters"),
    ({"input": "a", "tools": [{"type": "function", "name": "a"}] * 513}, "tools"),
    ({"input": "a", "tool_choice": "required"}, "tool_choice"),
    ({"input": "a", "tool_choice": "sometimes"}, "tool_choice"),
    ({"input": "a", "tool_choice": {"type": "file_search"}}, "tool_choice.type"),
    ({"input": "a", "tools": [{"type": "function", "name": "a"}], "tool_choice": {"type": "function", "name": "b"}},
     "tool_choice.name"),
    ({"input": "a", "max_tool_calls": "3"}, "max_tool_calls"),
    ({"input": "a", "tools": [{"type": "function", "name": "a"}], "tool_choice": {"type": "allowed_tools", "tools": []}},
     "tool_choice.mode"),
    ({"input": "a", "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "a"}]}},
     "tool_choice.tools"),
    ({"input": "a", "tools": [{"type": "function", "name": "a"}], "tool_choice": {
        "type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "a"}, {"type": "function", "name": "b"}]}},
     "tool_choice.tools[1].name"),
    ({"input": "a", "tool_choice": {"type": "function", "name": "b"}}, "tool_choice"),
    ({"input": "a", "reasoning": {"effort": "some"}}, "reasoning.effort"),
    ({"input": "a", "reasoning": {"summary": "long"}}, "reasoning.summary"),
    ({"input": "a", "reasoning": "high"}, "reasoning"),
    ({"input": "a", "prompt": {"id": "p"}}, "prompt"),
    ({"input": "a", "conversation": 5}, "conversation"),
    ({"input": "a", "conversation": {}}, "conversation.id"),
    ({"input": "a", "conversation": "c", "previous_response_id": "r"}, "previous_response_id"),
    ({"input": "a", "background": True, "store": False}, "background"),
    ({"input": "a", "background": True, "stream": True}, "background"),
    ({"input": "a", "stream": True, "stream_options": {"include_obfuscation": True}},
     "stream_options.include_obfuscation"),
    ({"input": "a", "stream_options": {}}, "stream_options"),
])
def test_what_is_wrong_is_named(fake, body, param):
    answer = fake.http.post("/v1/responses", json=body)
    assert answer.status_code == 400, answer.text
    error = answer.json()["error"]
    assert error["param"] == param
    assert param.split(".")[0].split("[")[0] in error["message"] or "function call output with call_id c." in error["message"]


@pytest.mark.parametrize(("query", "param"), [("include=zz", "include"), ("include[]=zz", "include"),
                                              ("limit=0", "limit"), ("limit=101", "limit"), ("limit=x", "limit"),
                                              ("order=up", "order"), ("after=%4", "after"), ("after=msg_none", "after"),
                                              ("limit=1&limit=2", "limit"), ("order=asc&order=asc", "order")])
def test_pages_that_are_not(fake, client, query, param):
    response = ask(client, "a")
    answer = fake.http.get(f"/v1/responses/{response.id}/input_items?{query}")
    assert answer.status_code == 400 and answer.json()["error"]["param"] == param


def test_queries_of_a_response(fake, client):
    path = f"/v1/responses/{ask(client, 'a').id}"
    for query, param in (("stream=true", "stream"), ("stream=zzz", "stream"), ("stream=false&stream=true", "stream"), ("include_obfuscation=2", "include_obfuscation"), ("include=zz", "include"), ("include[]=reasoning.encrypted_content&include[]=b", "include")):
        answer = fake.http.get(f"{path}?{query}")
        assert answer.status_code == 400 and answer.json()["error"]["param"] == param, query
    for query in ("stream=false", "include[]=reasoning.encrypted_content&include[]=web_search_call.results&include=message.output_text.logprobs", "include_obfuscation=false"):
        answer = fake.http.get(f"{path}?{query}")
        assert answer.status_code == 200 and "x-ignored-parameters" not in answer.headers, query
    for place in ("", "/input_items"):
        answer = fake.http.get(f"{path}{place}?colour=red&lim=2")
        assert answer.status_code == 200 and answer.headers["x-ignored-parameters"] == "colour, lim"


def test_a_model_that_is_not_served(client):
    with pytest.raises(openai.NotFoundError) as error:
        client.responses.create(model="other", input="a")
    assert error.value.code == "model_not_found"
