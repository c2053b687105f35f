"""Tools and thinking in Chat of batucada.v1. A choice of one text forces the model to write it, cut into tokens at random."""

import json

import grpc
import jsonschema
import pytest

from server import PATIENCE_S
from test_grpc import Client
from test_tools import ask as told
from test_tools import BOTH, FAMILIES, PARAMETERS, RIO, serve


@pytest.fixture(scope="module")
def server():
    with serve() as server:
        yield server


@pytest.fixture(scope="module")
def client(server, stubs):
    client = Client(server, stubs)
    yield client
    client.channel.close()


def tools_of(pb, strict=False):
    weather = pb.Tool.Function(name="weather", description="Tells it", parameters=json.dumps(PARAMETERS), strict=strict)
    return [pb.Tool(function=weather), pb.Tool(function=pb.Tool.Function(name="time"))]


def ask(client, text=None, seed=1, **fields):
    """The messages, and what they come to: (text, thinking, calls, reason)."""
    pb = client.pb
    if text is not None:
        fields["structured_output"] = pb.StructuredOutput(choices=pb.StructuredOutput.Choices(texts=[text]))
    fields = {"chat_template_kwargs": '{"enable_thinking": false}', "messages": [pb.ChatMessage(role="user", content="Weather in Rio?")],
              "max_tokens": 400, "sampling": pb.SamplingOptions(seed=seed), **fields}
    messages = list(client.stub.Chat(pb.ChatRequest(**fields), timeout=PATIENCE_S))
    calls = []
    for message in messages:
        for piece in message.tool_calls:
            if piece.index == len(calls):
                assert piece.id.startswith("call_") and piece.name
                calls.append([piece.name, ""])
            else:
                assert piece.index == len(calls) - 1 and not piece.id and not piece.name
            calls[-1][1] += piece.arguments
    [reason] = [message.finish_reason for message in messages if message.finish_reason]
    return ("".join(message.text for message in messages), "".join(message.reasoning_content for message in messages),
            [(name, json.loads(arguments) if reason == pb.FINISH_REASON_TOOL_CALLS else arguments) for name, arguments in calls], reason)


def test_calls_come_apart_from_the_text(client):
    pb = client.pb
    for seed in range(4):
        assert ask(client, "Let me see.\n" + FAMILIES["hermes"], seed, tools=tools_of(pb)) == (
            "Let me see.", "", BOTH, pb.FINISH_REASON_TOOL_CALLS)
    assert ask(client, "No tools.", tools=tools_of(pb)) == ("No tools.", "", [], pb.FINISH_REASON_STOP)
    none = pb.ToolChoice(use=pb.TOOL_USE_NONE)
    assert ask(client, FAMILIES["hermes"], tools=tools_of(pb), tool_choice=none)[:3] == (FAMILIES["hermes"], "", [])


def test_what_a_stop_string_leaves_of_a_call_is_for_nobody_to_answer(client):
    pb = client.pb
    for stop, arguments, reason in (("Rio", '{"city": "', pb.FINISH_REASON_STOP), ("</tool_call>", json.loads(RIO), pb.FINISH_REASON_TOOL_CALLS)):
        _, _, [(_, told)], ended = ask(client, FAMILIES["hermes"], tools=tools_of(pb), stopping=pb.StopOptions(stop=[stop]))
        assert (told, ended) == (arguments, reason)


def test_what_must_be_called_keeps_its_schema(client):
    pb = client.pb
    finished = 0
    for seed in range(8):
        choice = pb.ToolChoice(use=pb.TOOL_USE_REQUIRED, names=["weather"])
        text, _, calls, reason = ask(client, None, seed, tools=tools_of(pb), tool_choice=choice, parallel_tool_calls=False)
        assert text == "" and all(name == "weather" for name, _ in calls)
        if reason == pb.FINISH_REASON_TOOL_CALLS:
            [(_, arguments)] = calls
            jsonschema.validate(arguments, PARAMETERS)
            finished += 1
    assert finished > 4


def test_thinking_is_what_http_tells(server, client):
    pb = client.pb
    kwargs = {"thinks_at_once": True}
    for seed in range(3):
        [choice] = told(server, "Yes.", seed=seed, chat_template_kwargs=kwargs, thinking_token_budget=12, max_tokens=300)["choices"]
        whole = choice["message"]
        options = {"chat_template_kwargs": json.dumps(kwargs), "max_tokens": 300}
        text, thinking, _, reason = ask(client, "Yes.", seed, thinking=pb.ThinkingOptions(max_tokens=12), **options)
        assert (text, thinking) == ("Yes.", whole.get("reasoning", "")) and reason == pb.FINISH_REASON_STOP
        hidden = pb.ThinkingOptions(max_tokens=12, hidden=True)
        assert ask(client, "Yes.", seed, thinking=hidden, **options)[:2] == ("Yes.", "")
        for off in (pb.ThinkingOptions(enabled=False), pb.ThinkingOptions(effort="none")):
            assert ask(client, "Yes.", seed, chat_template_kwargs="", thinking=off)[:2] == ("Yes.", "")


def test_a_conversation_with_calls_goes_on(client):
    pb = client.pb
    call = pb.ToolCall(id="c1", name="weather", arguments=RIO)
    history = [pb.ChatMessage(role="user", content="Weather in Rio?"), pb.ChatMessage(role="assistant", tool_calls=[call]),
               pb.ChatMessage(role="tool", tool_call_id="c1", content="22 degrees")]
    assert ask(client, "Warm.", messages=history, tools=tools_of(pb))[0] == "Warm."


def test_all_of_a_conversation_is_told_as_over_http(stubs, tmp_path):
    """With a template that prints every member; one that was lost would make the prompt shorter."""
    template = tmp_path / "all.jinja"
    template.write_text("{% for m in messages %}{% for k in ['role', 'name', 'tool_call_id', 'reasoning_content', 'content'] %}"
                        "{{ k }} {{ m[k] or '' }}; {% endfor %}{{ (m.tool_calls or []) | tojson }}\n{% endfor %}")
    function = {"name": "weather", "arguments": RIO}
    messages = [{"role": "user", "name": "Ann_of_Green_Gables", "content": "Weather in Rio?"},
                {"role": "assistant", "content": "Let me see.", "reasoning_content": "She asks.",
                 "tool_calls": [{"id": "c1", "type": "function", "function": function}]},
                {"role": "tool", "tool_call_id": "c1", "content": "22 degrees"}]
    with serve(template=template) as server:
        client = Client(server, stubs)
        pb = client.pb

        def told_by_grpc(message):
            calls = [pb.ToolCall(id=call["id"], **call["function"]) for call in message.get("tool_calls", [])]
            return pb.ChatMessage(**{**message, "tool_calls": calls})

        def tokens(*without):
            """Of the prompt without these members of these messages."""
            left = [{name: value for name, value in message.items() if (index, name) not in without}
                    for index, message in enumerate(messages)]
            asked = pb.ChatRequest(messages=map(told_by_grpc, left), max_tokens=1, sampling=pb.SamplingOptions(seed=1))
            over_grpc = list(client.stub.Chat(asked, timeout=PATIENCE_S))[-1].usage.prompt_tokens
            body = {"messages": left, "max_tokens": 1, "seed": 1}
            answer = server.http.post("/v1/chat/completions", json=body).json()
            assert over_grpc == answer["usage"]["prompt_tokens"], without
            return over_grpc

        whole = tokens()
        for member in ((0, "name"), (1, "reasoning_content"), (1, "tool_calls"), (2, "tool_call_id")):
            assert tokens(member) < whole, member
        client.channel.close()


def test_wrong_ones_are_named(client):
    pb = client.pb
    function = pb.Tool.Function
    for fields, says in [
            (dict(tools=[pb.Tool(function=function(name="a b"))]), r"tools\[0\]\.function\.name"),
            (dict(tools=[pb.Tool(function=function(name="a", parameters="{"))]), r"tools\[0\]\.function\.parameters"),
            (dict(tools=[pb.Tool(function=function(name="a", parameters="[]"))]), r"tools\[0\]\.function\.parameters"),
            (dict(tools=[pb.Tool(function=function(name="a"))] * 2), r"names must differ"),
            (dict(tools=[pb.Tool(function=function(name="a"))] * 513), r"at most 512"),
            (dict(tools=[pb.Tool(function=function(name="a", strict=True, parameters='{"properties": {"b": {"uniqueItems": true}}}'))]),
             r"uniqueItems"),
            (dict(tool_choice=pb.ToolChoice(use=pb.TOOL_USE_REQUIRED)), r"there are no tools"),
            (dict(tools=tools_of(pb), tool_choice=pb.ToolChoice(names=["c"])), r"tool_choice\.names is c"),
            *((dict(tool_choice=pb.ToolChoice(names=["c"], use=use)), r"tool_choice\.names names a tool, and there are no tools")
              for use in (pb.TOOL_USE_AUTO, pb.TOOL_USE_NONE)),
            (dict(tools=tools_of(pb), tool_choice=pb.ToolChoice(use=9)), r"tool_choice\.use is 9"),
            (dict(thinking=pb.ThinkingOptions(effort="much")), r"thinking\.effort"),
            (dict(thinking=pb.ThinkingOptions(enabled=True, effort="none")), r"thinking\.enabled is true and thinking\.effort is none"),
            (dict(thinking=pb.ThinkingOptions(max_tokens=-1)), r"thinking\.max_tokens"),
            (dict(tools=[pb.Tool(function=function(name="a", parameters='{"type": 5}'))]), r"tools\[0\]\.function\.parameters: \$\.type is no type"),
            (dict(tools=[pb.Tool(function=function(name="a", parameters='{"type": "array"}'))]), r"tools\[0\]\.function\.parameters: \$\.type leaves no object"),
            (dict(messages=[pb.ChatMessage(role="assistant", tool_calls=[pb.ToolCall(id="c")])]), r"messages\[0\]\.tool_calls\[0\]\.name is missing"),
            (dict(messages=[pb.ChatMessage(role="user", content="a", tool_call_id="c")]), r"messages\[0\]\.tool_call_id"),
            (dict(messages=[pb.ChatMessage(role="user", content="a", tool_calls=[pb.ToolCall(name="a")])]), r"messages\[0\]\.tool_calls"),
            (dict(chat_template_kwargs='{"messages": []}'), r"chat_template_kwargs\.messages"),
            (dict(chat_template_kwargs='{"tools": []}'), r"chat_template_kwargs\.tools"),
            (dict(chat_template_kwargs="[1]"), r"chat_template_kwargs")]:
        with pytest.raises(grpc.RpcError, match=says) as error:
            ask(client, **fields)
        assert error.value.code() == grpc.StatusCode.INVALID_ARGUMENT, says
