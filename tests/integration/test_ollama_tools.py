"""Tools and thinking as Ollama's clients ask for them. A choice of one text forces the model to write it."""

import json

import pytest

from server import ROOT, Server

TEMPLATE = ROOT / "tests/integration/templates/qwen.jinja"
MODEL = "samba-classics-18m"
USER = [{"role": "user", "content": "Weather in Rio?"}]
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}, "required": ["city"]}
TOOLS = [{"type": "function", "function": {"name": "weather", "description": "Tells it", "parameters": PARAMETERS}},
         {"type": "function", "function": {"name": "time", "parameters": {"type": "object", "properties": {}}}}]
RIO = {"city": "Rio", "days": 2}
CALLS = (f'<tool_call>\n{{"name": "weather", "arguments": {json.dumps(RIO)}}}\n</tool_call>\n'
         '<tool_call>\n{"name": "time", "arguments": {}}\n</tool_call>')
BOTH = [("weather", RIO), ("time", {})]


@pytest.fixture(scope="module")
def qwen():
    with Server("--backend", "fake", "--fake-step-time", "0", "--chat-template", str(TEMPLATE)) as server:
        yield server


def body_of(text, body):
    forced = {} if text is None else {"structured_outputs": {"choice": [text]}}
    return {"model": MODEL, "messages": USER, "think": False, "options": {"num_predict": 400, "seed": 7}, **forced, **body}


def ask(server, text=None, path="/api/chat", **body):
    response = server.http.post(path, json={**body_of(text, body), "stream": False})
    assert response.status_code == 200, response.text
    return response.json()


def lines(server, text=None, path="/api/chat", **body):
    response = server.http.post(path, json=body_of(text, body))
    assert response.status_code == 200, response.text
    return [json.loads(line) for line in response.text.splitlines()]


def calls_of(message):
    return [(call["function"]["name"], call["function"]["arguments"]) for call in message.get("tool_calls", [])]


def test_calls(qwen):
    told = ask(qwen, CALLS, tools=TOOLS)
    assert calls_of(told["message"]) == BOTH and told["message"]["content"] == "" and told["done_reason"] == "stop"
    assert len({call["id"] for call in told["message"]["tool_calls"]}) == 2
    assert [call["function"]["index"] for call in told["message"]["tool_calls"]] == [0, 1]
    told = ask(qwen, "Let me see.\n" + CALLS, tools=TOOLS)
    assert told["message"]["content"] == "Let me see." and calls_of(told["message"]) == BOTH
    streamed = lines(qwen, "So:\n" + CALLS, tools=TOOLS)
    assert "".join(line["message"]["content"] for line in streamed) == "So:"
    assert [call for line in streamed for call in calls_of(line["message"])] == BOTH
    assert [call["function"]["index"] for line in streamed for call in line["message"].get("tool_calls", [])] == [0, 1]
    assert [line["done"] for line in streamed] == [False] * (len(streamed) - 1) + [True]
    laid_out = CALLS.replace(json.dumps(RIO), json.dumps(RIO, indent=2))
    streamed = lines(qwen, laid_out, tools=TOOLS)
    assert [call for line in streamed for call in calls_of(line["message"])] == BOTH, "a line has no ends in it"
    assert ask(qwen, "<tool_call> is a tag", tools=TOOLS)["message"] == {"role": "assistant", "content": "<tool_call> is a tag"}
    assert "tool_calls" not in ask(qwen, CALLS)["message"], "no tools, no calls"


def test_a_call_cut_short_is_none(qwen):
    seen = set()
    for tokens in range(1, 60, 3):
        for told in (ask(qwen, CALLS, tools=TOOLS, options={"num_predict": tokens, "seed": 7})["message"],):
            assert told["content"] in ("", "<", "<t", "<to") and calls_of(told) in ([], BOTH[:1])
            seen.add(len(calls_of(told)))
    assert seen == {0, 1}


def test_what_a_stop_string_leaves_of_a_call_is_none(qwen):
    for stop, calls in (("Rio", []), ("</tool_call>", BOTH[:1])):
        assert calls_of(ask(qwen, CALLS, tools=TOOLS, options={"stop": [stop], "num_predict": 400})["message"]) == calls


def test_the_past_reaches_the_template(qwen):
    """As chat's conversations do."""
    def tokens(messages):
        return qwen.http.post("/v1/chat/completions", json={"messages": messages, "max_tokens": 1, "chat_template_kwargs": {"enable_thinking": False}}).json()["usage"]["prompt_tokens"]
    past = {"role": "assistant", "content": "", "thinking": "Hm.", "tool_calls": [{"function": {"name": "weather", "arguments": RIO}}, {"function": {"name": "time", "arguments": {}}}]}
    same = {"role": "assistant", "content": "", "reasoning_content": "Hm.", "tool_calls": [{"id": str(i), "type": "function", "function": call["function"]} for i, call in enumerate(past["tool_calls"])]}
    results = [{"role": "tool", "tool_name": "time", "content": "noon"}, {"role": "tool", "content": "22 degrees"}]
    told = ask(qwen, messages=[*USER, past, *results], options={"num_predict": 1})
    assert told["prompt_eval_count"] == tokens([*USER, same, {"role": "tool", "tool_call_id": "1", "content": "noon"}, {"role": "tool", "tool_call_id": "0", "content": "22 degrees"}])
    plain = ask(qwen, messages=[{**USER[0], "images": [], "tool_calls": None}], options={"num_predict": 1})
    assert plain["prompt_eval_count"] == tokens(USER)


def test_results_name_their_calls(tmp_path):
    template = tmp_path / "template.jinja"
    template.write_text("{% for m in messages %}[{{ m.role }}|{{ m.content }}{% for c in m.tool_calls or [] %}{{ c.id }}{{ c.function.name }}{% endfor %}{{ m.tool_call_id }}]{% endfor %}")
    past = {"role": "assistant", "tool_calls": [{"function": {"name": "weather", "arguments": RIO}}, {"id": "own", "function": {"name": "time", "arguments": {}}}]}
    results = [{"role": "tool", "tool_name": "time", "content": "noon"}, {"role": "tool", "content": "22"}]
    named = {"role": "assistant", "content": None, "tool_calls": [{"id": name, "type": "function", "function": call["function"]} for name, call in zip(("call00001", "own"), past["tool_calls"], strict=True)]}
    same = [*USER, named, {**results[0], "tool_call_id": "own"}, {**results[1], "tool_call_id": "call00001"}]
    for message in same:
        message.pop("tool_name", None)
    with Server("--backend", "fake", "--fake-step-time", "0", "--chat-template", str(template)) as server:
        options = {"num_predict": 12, "seed": 7}
        told = ask(server, messages=[*USER, past, *results], think=None, options=options)
        chat = server.http.post("/v1/chat/completions", json={"messages": same, "max_tokens": 12, "seed": 7}).json()
        assert told["prompt_eval_count"] == chat["usage"]["prompt_tokens"]
        assert told["message"]["content"] == chat["choices"][0]["message"]["content"]


def test_results_take_the_first_call_that_waits(tmp_path):
    """Of their name, or else of all, of which others have taken some. Each message shows its id as often as it is far, so that
    the length of the prompt tells which stands where."""
    template = tmp_path / "template.jinja"
    template.write_text("{% for m in messages %}{% set place = loop.index %}[{{ m.role }}|{{ m.content }}{% for c in m.tool_calls or [] %}{{ c.id }}{{ c.function.name }}{% endfor %}"
                        "{% for i in range(place) %}{{ m.tool_call_id }}{% endfor %}]{% endfor %}")
    names = ["a", "b", "a", "c", "b", "a"]
    ids = [name + " of many" * 2**i for i, name in enumerate(names)]
    calls = {"role": "assistant", "tool_calls": [{"id": id, "function": {"name": name}} for id, name in zip(ids, names, strict=True)]}
    results = [({"tool_name": "b"}, 1), ({}, 0), ({"tool_name": "a"}, 2), ({"tool_name": "z"}, 3), ({"tool_name": "c"}, 4), ({"tool_name": "a"}, 5), ({"tool_name": "a"}, None)]
    said = [{"role": "tool", "content": "x", **name} for name, _ in results]
    same = [{"role": "tool", "content": "x", **({} if of is None else {"tool_call_id": ids[of]})} for _, of in results]
    named = {**calls, "tool_calls": [{**call, "type": "function", "function": {**call["function"], "arguments": "{}"}} for call in calls["tool_calls"]]}
    with Server("--backend", "fake", "--fake-step-time", "0", "--chat-template", str(template)) as server:
        told = ask(server, messages=[*USER, calls, *said], think=None, options={"num_predict": 1})
        chat = server.http.post("/v1/chat/completions", json={"messages": [*USER, named, *same], "max_tokens": 1}).json()
        assert told["prompt_eval_count"] == chat["usage"]["prompt_tokens"]


def test_thinking(qwen, tmp_path):
    template = tmp_path / "template.jinja"
    template.write_text(TEMPLATE.read_text().replace("thinks_at_once is defined", "true"))
    with Server("--backend", "fake", "--fake-step-time", "0", "--chat-template", str(template)) as server:
        for path, key in (("/api/chat", "messages"), ("/api/generate", "prompt")):
            asked = {"messages": None, "prompt": "a"} if key == "prompt" else {}
            said = lambda line: line["message"] if key == "messages" else line
            told = said(ask(server, path=path, think=True, options={"num_predict": 60, "seed": 7}, **asked))
            streamed = [said(line) for line in lines(server, path=path, think=True, options={"num_predict": 60, "seed": 7}, **asked)]
            text = "content" if key == "messages" else "response"
            assert told["thinking"] and "".join(line.get("thinking", "") for line in streamed) == told["thinking"]
            assert "".join(line[text] for line in streamed) == told[text] and "think>" not in told[text] + told["thinking"]
    prompts = {str(think): ask(qwen, think=think, options={"num_predict": 1})["prompt_eval_count"] for think in (None, True, False, "low", "high")}
    assert prompts["True"] == prompts["None"] < prompts["False"] and prompts["low"] > prompts["None"]
    generated = ask(qwen, "Yes.", path="/api/generate", prompt="a", messages=None)
    assert generated["response"] == "Yes." and "thinking" not in generated


@pytest.mark.parametrize("path, body, where, why", [
    ("/api/chat", {"tools": {}}, "tools", "list"),
    ("/api/chat", {"tools": [{"type": "function", "function": {"name": "a b"}}]}, "tools[0].function.name", "letters"),
    ("/api/chat", {"tools": [{"type": "function", "function": {"name": "a", "parameters": {"type": 5}}}]}, "tools[0].function.parameters", "$.type is no type"),
    ("/api/chat", {"messages": [{"role": "assistant", "tool_calls": [5]}]}, "messages[0].tool_calls[0]", "an object"),
    ("/api/chat", {"messages": [{"role": "assistant", "tool_calls": [{"id": 5, "function": {"name": "a"}}]}]}, "messages[0].tool_calls[0].id", "a string"),
    ("/api/chat", {"messages": [{"role": "assistant", "tool_calls": [{"function": {}}]}]}, "messages[0].tool_calls[0].function.name", "missing"),
    ("/api/chat", {"think": "hard"}, "think", "low"),
    ("/api/chat", {"think": 3}, "think", "true or false"),
    ("/api/generate", {"messages": None, "prompt": "a", "tools": TOOLS}, "tools", "not supported"),
    ("/api/generate", {"messages": None, "prompt": "a", "raw": True, "think": True}, "think", "continued"),
    ("/api/generate", {"messages": None, "prompt": "a", "context": [1, 2]}, "context", "ask /api/chat"),
])
def test_refusals(qwen, path, body, where, why):
    response = qwen.http.post(path, json=body_of(None, body))
    assert response.status_code == 400 and where in response.json()["error"] and why in response.json()["error"], response.text


def test_what_the_model_can(qwen):
    assert qwen.http.post("/api/show", json={"model": MODEL}).json()["capabilities"] == ["completion", "tools", "thinking"]
