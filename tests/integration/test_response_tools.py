"""Tools and thinking in /v1/responses, through the official client. A choice of one text forces the model to write it."""

import json
from typing import Literal

import jsonschema
import openai
import pydantic
import pytest

from server import ROOT, Server

TEMPLATE = ROOT / "tests/integration/templates/qwen.jinja"
MODEL = "samba-classics-18m"
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string", "maxLength": 8}, "days": {"type": "integer", "minimum": 1, "maximum": 9}},
              "required": ["city", "days"], "additionalProperties": False}
WEATHER = {"type": "function", "name": "weather", "description": "Tells it", "parameters": PARAMETERS, "strict": None}
TIME = {"type": "function", "name": "time", "parameters": {"type": "object", "properties": {}}, "strict": False}
TOOLS = [WEATHER, TIME]
RIO = '{"city": "Rio", "days": 2}'
CALLS = f'<tool_call>\n{{"name": "weather", "arguments": {RIO}}}\n</tool_call>\n<tool_call>\n{{"name": "time", "arguments": {{}}}}\n</tool_call>'
OFF = {"chat_template_kwargs": {"enable_thinking": False}}


@pytest.fixture(scope="module")
def qwen():
    with Server("--backend", "fake", "--fake-step-time", "0", "--chat-template", str(TEMPLATE)) as server:
        yield server


@pytest.fixture
def client(qwen):
    return qwen.openai()


def request(text=None, *, input="Weather in Rio?", extra=OFF, **more):
    forced = {} if text is None else {"structured_outputs": {"choice": [text]}}
    return {"model": MODEL, "input": input, "max_output_tokens": 400, "extra_body": {"seed": 7, **extra, **forced}, **more}


def shapes(response):
    """The output's items, without their ids."""
    return [(item.type, item.name, json.loads(item.arguments)) if item.type == "function_call" else
            (item.type, "".join(part.text for part in item.content or item.summary)) for item in response.output]


BOTH = [("function_call", "weather", json.loads(RIO)), ("function_call", "time", {})]


def test_calls_are_items(client):
    response = client.responses.create(**request(CALLS, tools=TOOLS))
    assert response.status == "completed" and shapes(response) == BOTH and response.output_text == ""
    assert {item.status for item in response.output} == {"completed"}
    assert all(item.id.startswith("fc_") and item.call_id.startswith("call_") for item in response.output)
    assert len({item.id for item in response.output} | {item.call_id for item in response.output}) == 4
    assert [tool.name for tool in response.tools] == ["weather", "time"] and response.tool_choice == "auto"
    assert response.parallel_tool_calls and client.responses.retrieve(response.id) == response
    mixed = client.responses.create(**request("Let me see.\n" + CALLS, tools=TOOLS))
    assert shapes(mixed) == [("message", "Let me see."), *BOTH]
    plain = client.responses.create(**request("<tool_call> is a tag", tools=TOOLS))
    assert shapes(plain) == [("message", "<tool_call> is a tag")]


def test_a_stream_has_the_official_events(client):
    for text, kinds in [(CALLS, ["function_call", "function_call"]), ("So:\n" + CALLS, ["message", "function_call", "function_call"])]:
        with client.responses.stream(**request(text, tools=TOOLS)) as stream:
            events = list(stream)
            final = stream.get_final_response()
        assert [event.sequence_number for event in events] == list(range(len(events)))
        added = [event for event in events if event.type == "response.output_item.added"]
        assert [event.item.type for event in added] == kinds and [event.output_index for event in added] == list(range(len(kinds)))
        assert all(event.item.status == "in_progress" and event.item.arguments == "" for event in added if event.item.type == "function_call")
        for index, item in enumerate(final.output):
            own = [event for event in events if getattr(event, "output_index", None) == index]
            if item.type != "function_call":
                continue
            types = [event.type for event in own]
            deltas = own[1:-2]
            assert types == ["response.output_item.added", *["response.function_call_arguments.delta"] * len(deltas),
                             "response.function_call_arguments.done", "response.output_item.done"]
            assert "".join(event.delta for event in deltas) == item.arguments == own[-2].arguments == own[-1].item.arguments
            assert {event.item_id for event in own[1:-1]} == {item.id} and own[-1].item.status == "completed"
            assert own[0].item.call_id == own[-1].item.call_id == item.call_id
        assert shapes(final)[-2:] == BOTH
        kept = client.responses.retrieve(final.id)
        assert shapes(kept) == shapes(final) and [item.id for item in kept.output] == [item.id for item in final.output]


def test_what_must_be_called(client):
    for choice, names in [("required", {"weather", "time"}), ({"type": "function", "name": "weather"}, {"weather"}),
                          ({"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "time"}]}, {"time"})]:
        finished = 0
        for seed in range(5):
            response = client.responses.create(**request(tools=TOOLS, tool_choice=choice, parallel_tool_calls=False, extra={**OFF, "seed": seed}))
            if response.status == "incomplete":
                continue
            [(kind, name, arguments)] = shapes(response)
            assert kind == "function_call" and name in names
            jsonschema.validate(arguments, PARAMETERS if name == "weather" else {"maxProperties": 0})
            finished += 1
        assert finished > 1
        assert response.tool_choice == choice if isinstance(choice, str) else response.tool_choice.type == choice["type"]
    assert shapes(client.responses.create(**request(CALLS, tools=TOOLS, tool_choice="none"))) == [("message", CALLS)]


def test_a_call_cut_short(client):
    cut = 0
    for tokens in range(1, 60, 3):
        response = client.responses.create(**{**request(CALLS, tools=TOOLS), "max_output_tokens": tokens})
        assert response.status == "incomplete" and response.output[-1].status == "incomplete"
        for item in response.output:
            if item.type == "function_call":
                cut += item.status == "incomplete" and item.arguments != RIO
            else:
                assert response.output_text in ("", "<", "<t", "<to")
    assert cut > 0


def test_a_stop_string_cuts_a_call(client):
    for stop, status in (("Rio", "incomplete"), ("</tool_call>", "completed")):
        response = client.responses.create(**request(CALLS, tools=TOOLS, extra={**OFF, "stop": stop}))
        assert response.status == "completed"
        [item] = response.output
        assert (item.type, item.status) == ("function_call", status)


def test_results_go_on_from_the_calls(qwen, client):
    """As chat tells the same conversation."""
    calls = client.responses.create(**request(CALLS, tools=TOOLS))
    outputs = [{"type": "function_call_output", "call_id": item.call_id, "output": "fine"} for item in calls.output]
    chat_tools = [{"type": "function", "function": {key: value for key, value in tool.items() if key != "type" and value is not None}} for tool in TOOLS]
    messages = [{"role": "user", "content": "Weather in Rio?"},
                {"role": "assistant", "content": None, "tool_calls": [
                    {"id": item.call_id, "type": "function", "function": {"name": item.name, "arguments": item.arguments}} for item in calls.output]},
                *({"role": "tool", "tool_call_id": item.call_id, "content": "fine"} for item in calls.output)]
    same = qwen.http.post("/v1/chat/completions", json={"messages": messages, "tools": chat_tools, "max_tokens": 12, "seed": 7, **OFF}).json()
    short = {"max_output_tokens": 12, "tools": TOOLS}
    kept = client.responses.create(**{**request(input=outputs, previous_response_id=calls.id), **short})
    sent = client.responses.create(**{**request(input=[{"role": "user", "content": "Weather in Rio?"},
                                                       *(item.model_dump(exclude_none=True) for item in calls.output), *outputs]), **short})
    assert kept.usage.input_tokens == sent.usage.input_tokens == same["usage"]["prompt_tokens"]
    assert kept.output_text == sent.output_text == same["choices"][0]["message"]["content"]
    with pytest.raises(openai.BadRequestError) as error:
        client.responses.create(**request(input=[{**outputs[0], "call_id": "call_none"}], previous_response_id=calls.id))
    assert error.value.param == "input[0].call_id" and "call_id call_none." in error.value.body["message"]
    items = list(client.responses.input_items.list(kept.id, order="asc"))
    assert [item.type for item in items] == ["message", "function_call", "function_call", "function_call_output", "function_call_output"]
    conversation = client.conversations.create()
    first = client.responses.create(**request(CALLS, tools=TOOLS, conversation=conversation.id))
    assert [item.type for item in client.conversations.items.list(conversation.id, order="asc")] == ["message", "function_call", "function_call"]
    assert shapes(first) == BOTH


def test_truncation_drops_results_with_their_calls(qwen):
    """Where the last turn and the result would fit, and the call does not."""
    call = {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": json.dumps({"city": "Rio " * 400})}
    items = [{"role": "user", "content": "Weather in Rio?"}, call, {"type": "function_call_output", "call_id": "c1", "output": "fine"},
             {"role": "user", "content": "And now?"}]
    same = qwen.http.post("/v1/chat/completions", json={"messages": items[-1:], "max_tokens": 12, "seed": 7, **OFF}).json()
    with Server("--backend", "fake", "--fake-step-time", "0", "--chat-template", str(TEMPLATE), "--max-total-tokens", "400") as server:
        response = server.openai().responses.create(**{**request(input=items, truncation="auto"), "max_output_tokens": 12})
    assert response.usage.input_tokens == same["usage"]["prompt_tokens"]
    assert response.output_text == same["choices"][0]["message"]["content"]


def test_truncation_keeps_the_last_call_with_its_results():
    """Or refuses what does not fit: never are all messages dropped."""
    calls = [{"type": "function_call", "call_id": f"c{i}", "name": "weather", "arguments": "{}"} for i in range(2)]
    result = lambda i, text: {"type": "function_call_output", "call_id": f"c{i}", "output": text}
    before = [{"role": "user", "content": "Rio " * 300}, {"role": "user", "content": "Weather in Rio?"}]
    with Server("--backend", "fake", "--fake-step-time", "0", "--chat-template", str(TEMPLATE), "--max-total-tokens", "400") as server:
        ask = lambda items: server.openai().responses.create(**{**request(input=items, truncation="auto"), "max_output_tokens": 12})
        with pytest.raises(openai.BadRequestError) as error:
            ask([*before, *calls, result(0, "word " * 400), result(1, "short")])
        assert error.value.code == "context_length_exceeded"
        whole = ask([before[1], *calls, result(0, "fine"), result(1, "short")])
        assert ask([*before, *calls, result(0, "fine"), result(1, "short")]).usage.input_tokens == whole.usage.input_tokens


THINKING = {"chat_template_kwargs": {"thinks_at_once": True}, "thinking_token_budget": 8}


def test_thinking_is_an_item(qwen, client):
    for seed in range(3):
        extra = {**THINKING, "seed": seed}
        told = qwen.http.post("/v1/chat/completions", json={
            "messages": [{"role": "user", "content": "Weather in Rio?"}], "structured_outputs": {"choice": ["Yes."]}, "max_tokens": 400, **extra}).json()
        thought = told["choices"][0]["message"]["reasoning"]
        response = client.responses.create(**request("Yes.", extra=extra))
        assert shapes(response) == [("reasoning", thought), ("message", "Yes.")] and response.output_text == "Yes."
        usage = response.usage  # the mark that ends the thinking may be of several tokens, and is its last
        assert 8 <= usage.output_tokens_details.reasoning_tokens < usage.output_tokens
        [reasoning, _] = response.output
        assert reasoning.id.startswith("rs_") and reasoning.summary == [] and reasoning.content[0].type == "reasoning_text"
        assert client.responses.retrieve(response.id) == response
        summed = client.responses.create(**request("Yes.", extra=extra, reasoning={"summary": "auto"}))
        assert summed.output[0].summary[0].text == thought and not summed.output[0].content and summed.reasoning.summary == "auto"
        for more, part, delta in [({}, "content_part", "reasoning_text"),
                                  ({"reasoning": {"summary": "detailed"}}, "reasoning_summary_part", "reasoning_summary_text")]:
            with client.responses.stream(**request("Yes.", extra=extra, **more)) as stream:
                events = [event for event in stream if getattr(event, "output_index", None) == 0]
                final = stream.get_final_response()
            deltas = events[2:-3]
            assert [event.type for event in events] == [
                "response.output_item.added", f"response.{part}.added", *[f"response.{delta}.delta"] * len(deltas),
                f"response.{delta}.done", f"response.{part}.done", "response.output_item.done"]
            assert "".join(event.delta for event in deltas) == events[-3].text == events[-2].part.text == thought
            assert shapes(final) == [("reasoning", thought), ("message", "Yes.")]
    # Who may think and does not spends no tokens on it.
    answered = client.responses.create(**{**request(extra={}), "max_output_tokens": 8})
    assert [kind for kind, _ in shapes(answered)] == ["message"] and answered.usage.output_tokens_details.reasoning_tokens == 0


def test_a_budget_of_thinking_is_at_least_0(client):
    with pytest.raises(openai.BadRequestError) as error:
        client.responses.create(**request("Yes.", extra={**OFF, "thinking_token_budget": -2}))
    assert error.value.param == "thinking_token_budget" and "or -1 for no bound" in error.value.message
    assert client.responses.create(**request("Yes.", extra={**OFF, "thinking_token_budget": -1})).output_text == "Yes."


def test_thinking_reaches_the_template_again(qwen, client):
    tokens = lambda messages: qwen.http.post("/v1/chat/completions", json={"messages": messages, "max_tokens": 1, **OFF}).json()["usage"]["prompt_tokens"]
    for part in ({"content": [{"type": "reasoning_text", "text": "Hm, hm."}], "summary": []}, {"summary": [{"type": "summary_text", "text": "Hm, hm."}]},
                 {"content": [{"type": "reasoning_text", "text": "Hm, hm."}], "summary": [{"type": "summary_text", "text": "In short."}]}):
        items = [{"role": "user", "content": "a"}, {"type": "reasoning", "id": "rs_1", **part}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}]
        response = client.responses.create(**{**request(input=items), "max_output_tokens": 1})
        assert response.usage.input_tokens == tokens([{"role": "user", "content": "a"}, {"role": "assistant", "content": "b", "reasoning_content": "Hm, hm."},
                                                      {"role": "user", "content": "c"}])
        # It leads to nothing.
        stray = client.responses.create(**{**request(input=items[:2] + items[3:]), "max_output_tokens": 1})
        assert stray.usage.input_tokens == tokens([{"role": "user", "content": "a"}, {"role": "user", "content": "c"}])
        later = [{"role": "assistant", "content": "d"}, {"role": "user", "content": "e"}]
        stray = client.responses.create(**{**request(input=items[:2] + items[3:] + later), "max_output_tokens": 1})
        assert stray.usage.input_tokens == tokens([{"role": "user", "content": "a"}, {"role": "user", "content": "c"}, *later])


def test_a_message_may_say_of_which_phase_it_is(qwen):
    """As OpenAI's own answers do, which clients send back as they are."""
    items = [{"role": "user", "content": "a"}, {"type": "message", "role": "assistant", "content": "b", "phase": "final_answer"},
             {"role": "user", "content": "c"}]
    answer = qwen.http.post("/v1/responses", json={"model": MODEL, "input": items, "max_output_tokens": 1})
    assert answer.status_code == 200 and "x-ignored-parameters" not in answer.headers, answer.text


class Weather(pydantic.BaseModel):
    city: Literal["Rio", "Lima"]
    days: int


def test_the_clients_own_helpers(client):
    """Arguments are parsed, and the answer is the form or a call."""
    tool = openai.pydantic_function_tool(Weather)
    for seed in range(3):
        body = request(tools=[tool], tool_choice="required", parallel_tool_calls=False, extra={**OFF, "seed": seed})
        [call] = client.responses.parse(**body).output
        assert isinstance(call.parsed_arguments, Weather)
        with client.responses.stream(**body) as stream:
            [streamed] = stream.get_final_response().output
        assert streamed.parsed_arguments == call.parsed_arguments
    seen = {type(client.responses.parse(**request(text_format=Weather, tools=[TIME], parallel_tool_calls=False, extra={**OFF, "seed": seed})).output_parsed)
            for seed in range(12)}
    assert seen == {Weather, type(None)}


def test_a_schema_that_no_answer_can_be_held_to_is_named(qwen):
    tool = {"type": "function", "name": "a", "strict": True, "parameters": {"properties": {"b": {"uniqueItems": True}}}}
    error = qwen.http.post("/v1/responses", json={"input": "a", "tools": [TIME, tool], "tool_choice": "required"}).json()["error"]
    assert error["param"] == "tools[1].parameters" and "$.properties.b.uniqueItems" in error["message"]
    for strict in ({}, {"strict": False}, {"strict": None}):  # as much as can be of it
        loose = {"type": "function", "name": "a", "parameters": tool["parameters"], **strict}
        answer = qwen.http.post("/v1/responses", json={"input": "a", "tools": [loose], "tool_choice": "required",
                                                        "parallel_tool_calls": False, **OFF, "seed": 1})
        assert answer.status_code == 200, answer.text
        assert [item["name"] for item in answer.json()["output"] if item["type"] == "function_call"] == ["a"]


def test_a_response_repeats_what_is_in_effect(qwen):
    """Of a tool that does not say so, OpenAI's default is not this server's: nobody is told otherwise."""
    given = [{"type": "function", "name": "a"}, WEATHER, TIME, {**TIME, "name": "held", "strict": True}]
    body = {"input": "a", "tools": given, "tool_choice": "none", "max_output_tokens": 4, **OFF}
    made = qwen.http.post("/v1/responses", json={**body, "max_tool_calls": 3}).json()
    assert made["tools"] == [{**given[0], "parameters": None, "strict": False}, {**WEATHER, "strict": False}, *given[2:]]
    assert made["max_tool_calls"] == 3
    kept = qwen.http.get(f"/v1/responses/{made['id']}").json()
    assert (kept["tools"], kept["max_tool_calls"]) == (made["tools"], 3)
    assert qwen.http.post("/v1/responses", json=body).json()["max_tool_calls"] is None


def test_input_is_counted_as_it_is_given(client):
    asked = request(instructions="Be brief.", tools=TOOLS)
    counted = {name: asked[name] for name in ("model", "input", "instructions", "tools", "extra_body")}
    made = client.responses.create(**asked)
    told = client.responses.input_tokens.count(**counted)
    assert (told.object, told.input_tokens) == ("response.input_tokens", made.usage.input_tokens)
    going_on = {**asked, "input": "And in Lima?", "previous_response_id": made.id}
    told = client.responses.input_tokens.count(**{**counted, "input": "And in Lima?", "previous_response_id": made.id})
    assert told.input_tokens == client.responses.create(**going_on).usage.input_tokens > made.usage.input_tokens
    with pytest.raises(openai.BadRequestError, match="resp_none"):
        client.responses.input_tokens.count(model=MODEL, input="a", previous_response_id="resp_none")
