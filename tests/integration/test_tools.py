"""Tools and thinking in /v1/chat/completions. A choice of one text forces the model to write it, cut into tokens at random."""

import json
import re
from typing import Literal

import jsonschema
import openai
import pydantic
import pytest

from server import ROOT, Server

TEMPLATES = ROOT / "tests/integration/templates"
MODEL = "samba-classics-18m"
MODEL_DIR = ROOT / "models" / MODEL
USER = [{"role": "user", "content": "Weather in Rio?"}]
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string", "maxLength": 8}, "days": {"type": "integer", "minimum": 1, "maximum": 9}},
              "required": ["city", "days"], "additionalProperties": False}
WEATHER = {"type": "function", "function": {"name": "weather", "description": "Tells it", "parameters": PARAMETERS}}
TIME = {"type": "function", "function": {"name": "time", "parameters": {"type": "object", "properties": {}}}}
TOOLS = [WEATHER, TIME]
RIO = '{"city": "Rio", "days": 2}'
FAMILIES = {
    "hermes": f'<tool_call>\n{{"name": "weather", "arguments": {RIO}}}\n</tool_call>\n<tool_call>\n{{"name": "time", "arguments": {{}}}}\n</tool_call>',
    "llama3_json": f'{{"name": "weather", "parameters": {RIO}}}; {{"name": "time", "parameters": {{}}}}',
    "mistral": f'[TOOL_CALLS] [{{"name": "weather", "arguments": {RIO}}}, {{"name": "time", "arguments": {{}}}}]',
    "phi4_mini_json": f'<|tool_call|>[{{"name": "weather", "arguments": {RIO}}}, {{"name": "time", "arguments": {{}}}}]<|/tool_call|>',
    "jamba": f'<tool_calls>[\n{{"name": "weather", "arguments": {RIO}}},\n{{"name": "time", "arguments": {{}}}}\n]</tool_calls>',
    "pythonic": "[weather(city='Rio', days=2), time()]",
}


def serve(*flags, template="qwen.jinja"):
    return Server("--backend", "fake", "--fake-step-time", "0", "--chat-template", str(TEMPLATES / template), *flags)


@pytest.fixture(scope="module")
def qwen():
    with serve() as server:
        yield server


@pytest.fixture(scope="module")
def plain():
    """A template that knows no tools."""
    with serve(template="chatml.jinja") as server:
        yield server


def body_of(text, body):
    """`text`: what the model writes, behind its thinking, which it does not do unless `body` says more of it."""
    forced = {} if text is None else {"structured_outputs": {"choice": [text]}}
    return {"messages": USER, "max_tokens": 400, "chat_template_kwargs": {"enable_thinking": False}, **forced, **body}


def ask(server, text=None, **body):
    response = server.http.post("/v1/chat/completions", json=body_of(text, body))
    assert response.status_code == 200, response.text
    return response.json()


def message(server, text=None, **body):
    return ask(server, text, **body)["choices"][0]["message"]


def stream(server, text=None, **body):
    """The deltas, checked for what clients rely on, and the message that they make."""
    made, reasons = {"content": "", "tool_calls": []}, []
    with server.http.stream("POST", "/v1/chat/completions", json={**body_of(text, body), "stream": True}) as response:
        assert response.status_code == 200, response.read()
        for line in response.iter_lines():
            if not line.startswith("data: {"):
                continue
            [choice] = json.loads(line[6:])["choices"]
            delta = choice["delta"]
            assert not reasons, "nothing follows the end"
            reasons += [choice["finish_reason"]] if choice["finish_reason"] else []
            made["content"] += delta.get("content") or ""
            assert delta.get("reasoning") == delta.get("reasoning_content")
            if "reasoning" in delta:
                made["reasoning"] = made.get("reasoning", "") + delta["reasoning"]
            for call in delta.get("tool_calls", []):
                if call["index"] == len(made["tool_calls"]):
                    assert call["type"] == "function" and call["id"] and call["function"]["name"] and call["function"]["arguments"] == ""
                    made["tool_calls"].append(call)
                else:
                    assert call["index"] == len(made["tool_calls"]) - 1 and set(call) == {"index", "function"}
                    assert set(call["function"]) == {"arguments"}
                    made["tool_calls"][-1]["function"]["arguments"] += call["function"]["arguments"]
    return made, reasons[0]


def calls_of(told):
    return [(call["function"]["name"], json.loads(call["function"]["arguments"])) for call in told["tool_calls"] or []]


BOTH = [("weather", json.loads(RIO)), ("time", {})]


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family(family):
    text = FAMILIES[family]
    with serve("--tool-call-parser", family) as server:
        answer = ask(server, text, tools=TOOLS)
        [choice] = answer["choices"]
        assert calls_of(choice["message"]) == BOTH and choice["finish_reason"] == "tool_calls"
        assert choice["message"]["content"] is None
        ids = [call["id"] for call in choice["message"]["tool_calls"]]
        assert len(set(ids)) == 2 and all(re.fullmatch("[A-Za-z0-9_]+", one) for one in ids)
        assert family != "mistral" or all(len(one) == 9 for one in ids), "its templates insist on it"
        for seed in range(3):
            told, reason = stream(server, text, tools=TOOLS, seed=seed)
            assert calls_of(told) == BOTH and reason == "tool_calls" and told["content"] == ""
        for said in ["No tools.", "<tool_call> is a tag [and this] a list", '{"name": "Bob"}', "[1, 2]"]:
            assert message(server, said, tools=TOOLS)["content"] == said
            told, reason = stream(server, said, tools=TOOLS)
            assert told["content"] == said and reason == "stop" and not told["tool_calls"]
        # What the model must write it writes in its family's form.
        for choice in ("required", {"type": "function", "function": {"name": "weather"}}):
            told, reason = stream(server, tools=TOOLS, tool_choice=choice, seed=3, temperature=1)
            for name, arguments in calls_of(told) if reason == "tool_calls" else []:
                jsonschema.validate(arguments, PARAMETERS if name == "weather" else {"maxProperties": 0})


def test_a_named_tool_is_called_once_by_its_schema(qwen):
    finished = 0
    for seed in range(8):
        [choice] = ask(qwen, tools=TOOLS, tool_choice={"type": "function", "function": {"name": "weather"}}, seed=seed,
                       logit_bias={"0": -100, "2": -100})["choices"]  # of the ends: it would rather call again
        if choice["finish_reason"] == "length":
            continue
        assert choice["finish_reason"] == "tool_calls" and choice["message"]["content"] is None
        [(name, arguments)] = calls_of(choice["message"])
        assert name == "weather"
        jsonschema.validate(arguments, PARAMETERS)
        finished += 1
    assert finished > 4


@pytest.mark.parametrize("parameters", [{}, {"maxProperties": 0}, {"type": ["object", "null"], "maxProperties": 0}, {"enum": [{}, 1, None]}])
def test_arguments_are_an_object(qwen, parameters):
    """Also where their schema leaves open what they are."""
    tool = {"type": "function", "function": {"name": "open", "parameters": parameters}}
    for seed in range(6):
        [choice] = ask(qwen, tools=[tool], tool_choice="required", parallel_tool_calls=False, seed=seed, max_tokens=40)["choices"]
        [call] = choice["message"]["tool_calls"]
        assert call["function"]["arguments"].lstrip()[:1] in ("{", "")


def test_allowed_tools(qwen):
    """Whichever of them it is: a seed draws one of those that it may."""
    for name in ("time", "weather"):
        allowed = {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [{"type": "function", "function": {"name": name}}]}}
        for seed in range(3):
            [(called, arguments)] = calls_of(message(qwen, tools=TOOLS, tool_choice=allowed, seed=seed, parallel_tool_calls=False))
            assert called == name and set(arguments) == ({"city", "days"} if name == "weather" else set())


def test_what_a_stop_string_leaves_of_a_call_is_for_nobody_to_answer(qwen):
    """As a stop string ends any text; one behind a whole call, as agents' "</tool_call>", leaves the call to be answered."""
    for stop, arguments, reason in (("Rio", '{"city": "', "stop"), ("}", RIO[:-1], "stop"), ("</tool_call>", RIO, "tool_calls")):
        for told, ended in (stream(qwen, FAMILIES["hermes"], tools=TOOLS, stop=stop),
                            [(one["message"], one["finish_reason"]) for one in ask(qwen, FAMILIES["hermes"], tools=TOOLS, stop=stop)["choices"]][0]):
            [call] = told["tool_calls"]
            assert (call["function"]["arguments"].strip(), ended) == (arguments, reason)


@pytest.mark.parametrize("stop", ["\n", "ther", "argu"])
def test_what_a_stop_string_leaves_of_a_call_without_its_name_is_no_text(qwen, stop):
    """As where max_tokens ends it."""
    told, ended = stream(qwen, FAMILIES["hermes"], tools=TOOLS, stop=stop)
    assert (told["content"], told["tool_calls"], ended) == ("", [], "stop")
    [choice] = ask(qwen, FAMILIES["hermes"], tools=TOOLS, stop=stop)["choices"]
    assert not choice["message"]["content"] and not choice["message"].get("tool_calls") and choice["finish_reason"] == "stop"


def test_none_means_none(qwen):
    with_tools = ask(qwen, tools=TOOLS, tool_choice="none", temperature=0, max_tokens=8)
    assert with_tools["usage"] == ask(qwen, temperature=0, max_tokens=8)["usage"], "the template does not see them"
    told = message(qwen, FAMILIES["hermes"], tools=TOOLS, tool_choice="none")
    assert told["content"] == FAMILIES["hermes"] and "tool_calls" not in told


def test_text_beside_calls_and_calls_cut_short(qwen):
    told = message(qwen, "Let me see.\n" + FAMILIES["hermes"], tools=TOOLS)
    assert told["content"] == "Let me see." and calls_of(told) == BOTH
    cut = 0
    for tokens in range(1, 60, 2):
        [choice] = ask(qwen, FAMILIES["hermes"], tools=TOOLS, max_tokens=tokens, seed=1)["choices"]
        assert choice["finish_reason"] == "length"
        assert (choice["message"]["content"] or "") in ("", "<", "<t", "<to"), "no half a mark, unless it may be anything"
        for call in choice["message"].get("tool_calls", [])[:1]:
            assert call["function"]["name"] == "weather" and RIO.startswith(call["function"]["arguments"])
            cut += call["function"]["arguments"] != RIO
    assert cut > 0
    [choice] = ask(qwen, FAMILIES["hermes"], tools=TOOLS, n=1, logprobs=True)["choices"]
    assert "".join(one["token"] for one in choice["logprobs"]["content"]).startswith("<tool_call>")


def test_what_a_strict_tool_or_a_single_call_may_be(qwen):
    """The text is free, its calls are not."""
    strict = {"type": "function", "function": {**WEATHER["function"], "strict": True}}
    for text, body in [("Sure: " + FAMILIES["hermes"], {"tools": [strict, TIME]}), ("Sure.", {"tools": [strict]}),
                       ("Sure.", {"tools": TOOLS, "parallel_tool_calls": False})]:
        told, _ = stream(qwen, text, **body)
        assert told["content"] == text.partition("<tool_call>")[0].strip()
    # What a grammar allows is tried out in tests/text/answer_grammar_test.cc.
    assert "uniqueItems" in qwen.http.post("/v1/chat/completions", json={"messages": USER, "tools": [
        {"type": "function", "function": {"name": "a", "strict": True, "parameters": {"properties": {"b": {"uniqueItems": True}}}}}]}).json()["error"]["message"]


def prompt_of(server, **body):
    ids = ask(server, **{"return_token_ids": True, "max_tokens": 1, "chat_template_kwargs": {}, **body})["prompt_token_ids"]
    return server.http.post("/detokenize", json={"tokens": ids}).json()["prompt"]


HISTORY = [*USER, {"role": "assistant", "content": None, "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "weather", "arguments": RIO}}]},
           {"role": "tool", "tool_call_id": "c1", "content": "22 degrees"}]


def test_templates_get_tools(qwen, plain):
    assert json.dumps(TIME) in prompt_of(qwen, tools=TOOLS) and "<tools>" not in prompt_of(qwen)
    told = prompt_of(plain, tools=TOOLS, messages=HISTORY)
    assert told.startswith("<|im_start|>system\n") and "<tool_call>" in told
    for tool in TOOLS:
        assert json.dumps(tool["function"], separators=(",", ":")) in told
    assert '<tool_call>\n{"name": "weather", "arguments": {"city":"Rio","days":2}}\n</tool_call>' in told
    assert "<|im_start|>user\n<tool_response>\n22 degrees\n</tool_response>" in told
    developers = [{"role": "developer", "content": "Be brief."}, *USER]
    beside = prompt_of(plain, tools=TOOLS, messages=developers)
    assert beside.count("<|im_start|>") == prompt_of(plain, messages=developers).count("<|im_start|>"), "no message of their own"
    assert 0 < beside.index("Be brief.") < beside.index("<tool_call>") < beside.index("<|im_end|>")
    assert calls_of(message(plain, FAMILIES["hermes"], tools=TOOLS)) == BOTH


def test_beside_a_response_format(qwen):
    """The answer is of that form, or calls."""
    body = {"tools": [TIME], "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {"enum": [7]}}}}
    seen = set()
    for seed in range(12):
        told = message(qwen, seed=seed, parallel_tool_calls=False, **body)
        seen.add("calls" if told.get("tool_calls") else told["content"])
    assert seen == {"calls", "7"}


def test_a_call_that_must_be_leaves_no_room_for_a_response_format(qwen):
    """It is of the text beside calls, and there will be none: a client that always sends it is not turned away."""
    body = {"tools": [TIME], "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {"enum": [7]}}}}
    for seed in range(3):
        told = message(qwen, seed=seed, parallel_tool_calls=False, tool_choice="required", **body)
        assert calls_of(told) == [("time", {})] and not told["content"], told


@pytest.mark.parametrize("body, where, why", [
    ({"tools": {}}, "tools", "list"),
    ({"tools": [{"type": "web_search"}]}, "tools[0].type", "function"),
    ({"tools": [{"type": "function"}]}, "tools[0].function", "object"),
    ({"tools": [{"type": "function", "function": {"name": "a b"}}]}, "tools[0].function.name", "letters"),
    ({"tools": [TIME, TIME]}, "tools[1].function.name", "differ"),
    ({"tools": [{"type": "function", "function": {"name": "a", "parameters": []}}]}, "tools[0].function.parameters", "Schema"),
    ({"tools": [TIME] * 513}, "tools", "at most 512"),
    ({"tools": TOOLS, "tool_choice": "sometimes"}, "tool_choice", "one of"),
    ({"tools": TOOLS, "tool_choice": {"type": "function", "function": {"name": "other"}}}, "tool_choice.function.name", "none of the tools"),
    ({"tool_choice": "required"}, "tool_choice", "no tools"),
    ({"tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [
        {"type": "function", "function": {"name": "a"}}]}}}, "tool_choice.allowed_tools.tools", "there are no tools"),
    ({"reasoning": {"enabled": True, "effort": "none"}}, "reasoning.enabled", "is true and reasoning.effort is none"),
    ({"tools": [TIME, {"type": "function", "function": {"name": "a", "strict": True, "parameters": {"properties": {"b": {"uniqueItems": True}}}}}],
      "tool_choice": "required"}, "tools[1].function.parameters", "$.properties.b.uniqueItems"),
    *[({"tools": [TIME, {"type": "function", "function": {"name": "a", "parameters": wrong}}], **choice}, "tools[1].function.parameters", why)
      for choice in ({}, {"tool_choice": "none"}, {"tool_choice": "required"}) for wrong, why in [
          ({"type": 5}, "$.type is no type"), ({"type": []}, "$.type is empty"), ({"type": ["string", "zzz"]}, "$.type is no type"),
          ({"properties": {"b": {"type": "zzz"}}}, "$.properties.b.type is no type"), ({"properties": {"b": 5}}, "$.properties.b must be a schema"),
          ({"required": [5]}, "$.required must be a list of names"), ({"enum": 5}, "$.enum must be a list"), ({"anyOf": []}, "$.anyOf must be a list of schemas"),
          ({"anyOf": [{"minLength": -1}]}, "$.anyOf[0].minLength must be a whole number"), ({"items": [{"format": 5}]}, "$.items[0].format must be a string"),
          ({"not": {"uniqueItems": 5}}, "$.not.uniqueItems must be true or false"), ({"$defs": {"b": {"maximum": "x"}}}, "$.$defs.b.maximum must be a number")]],
    ({"tools": [{"type": "function", "function": {"name": "a", "parameters": {"not": {}}}}], "tool_choice": "required"}, "tools[0].function.parameters", "allows no text"),
    ({"tools": [TIME, {"type": "function", "function": {"name": "a", "parameters": {"not": {}}}}],
      "tool_choice": {"type": "function", "function": {"name": "a"}}}, "tools[1].function.parameters", "allows no text"),
    ({"functions": [{"name": "a"}]}, "functions", ""),
    ({"reasoning_effort": "some"}, "reasoning_effort", "one of"),
])
def test_refusals(qwen, body, where, why):
    response = qwen.http.post("/v1/chat/completions", json={"messages": USER, **body})
    assert response.status_code == 400, response.text
    error = response.json()["error"]
    assert error["param"] == where and why in error["message"], error


@pytest.mark.parametrize("parameters", [
    {"properties": {"b": {"uniqueItems": True}}}, {"not": {}}, {"additionalItems": False}, {"zzz": 5},
    {"type": None, "required": None, "properties": {"b": {"exclusiveMinimum": True, "items": [{}]}}}])
def test_a_schema_that_nobody_is_held_to_need_only_be_one(qwen, parameters):
    assert message(qwen, tools=[{"type": "function", "function": {"name": "a", "parameters": parameters}}], max_tokens=1)


TAKING_TOOLS = {
    "/v1/chat/completions": lambda tool, choice: ({"tools": [{"type": "function", "function": tool}], "tool_choice": choice}, "tools[0].function.parameters"),
    "/v1/responses": lambda tool, choice: ({"tools": [{"type": "function", **tool}], "tool_choice": choice, "store": False}, "tools[0].parameters"),
    "/v1/messages": lambda tool, choice: ({"tools": [{"name": tool["name"], "input_schema": tool["parameters"]}], "tool_choice": {"type": choice.replace("required", "any")}},
                                          "tools[0].input_schema"),
    "/api/chat": lambda tool, choice: ({"tools": [{"type": "function", "function": tool}], "stream": False}, "tools[0].function.parameters"),
    **{path: lambda tool, choice: ({"tools": [{"type": "function", "function": tool}]}, "tools[0].function.parameters") for path in ("/tokenize", "/apply-template")},
}


@pytest.mark.parametrize("path", TAKING_TOOLS)
def test_parameters_describe_an_object(qwen, path):
    """Or are refused, whether or not the tool is used: arguments are an object. jsonschema says which do."""
    definitions = {"$defs": {"text": {"type": "string"}, "some": {"type": "object"}}}
    objects = [{}, {"a": 1}, {"a": "b"}]
    expected = {True: 200, False: 400}
    for parameters in (
            {}, {"type": "object"}, {"properties": {"a": {"type": "string"}}}, {"anyOf": [{"type": "object"}, {"type": "object", "maxProperties": 1}]},
            {"anyOf": [{"type": "null"}, {"required": ["a"]}]}, {"type": ["object", "null"]}, {"enum": ["b", {"a": 1}]}, {"$ref": "#/$defs/some", **definitions},
            {"allOf": [{}, {"type": "object"}]}, {"type": "string"}, {"type": "array"}, {"type": "integer"}, {"type": ["string", "null"]}, {"enum": ["a"]}, {"const": "a"},
            {"anyOf": [{"type": "string"}, {"enum": [1]}]}, {"type": "object", "oneOf": [{"type": "string"}]}, {"allOf": [{}, {"type": "string"}]},
            {"$ref": "#/$defs/text", **definitions}):
        validator = jsonschema.Draft202012Validator(parameters)
        describes = any(validator.is_valid(value) for value in objects)
        for choice in ("auto", "none", "required"):
            more, where = TAKING_TOOLS[path]({"name": "a", "parameters": parameters}, choice)
            said = {"input": "a", "max_output_tokens": 1} if path == "/v1/responses" else {"messages": USER}
            said |= {"max_tokens": 1} if path.startswith("/v1/") and path != "/v1/responses" else {}
            response = qwen.http.post(path, json={**said, **more})
            assert response.status_code == expected[describes], (parameters, choice, response.text)
            assert describes or f"{where}: $." in response.text and "leaves no object" in response.text, response.text


def test_a_parser_that_is_none():
    with serve("--tool-call-parser", "none", "--reasoning-parser", "none") as server:
        text = "<think>Hm.</think>" + FAMILIES["hermes"]
        assert message(server, text, tools=TOOLS)["content"] == text
        response = server.http.post("/v1/chat/completions", json={"messages": USER, "tools": TOOLS, "tool_choice": "required"})
        assert response.status_code == 400 and "--tool-call-parser" in response.json()["error"]["message"]


@pytest.mark.parametrize("body", [{}, {"chat_template_kwargs": {}}, {"chat_template_kwargs": {"thinks_at_once": True}}, {"reasoning_effort": "none"}],
                         ids=["off", "may", "must", "effort"])
def test_an_answer_behind_thinking_is_held_to_its_form(qwen, body):
    for seed in range(3):
        told = message(qwen, "Yes.", seed=seed, thinking_token_budget=3, **body)
        assert told["content"] == "Yes."
        assert told.get("reasoning") == told.get("reasoning_content")
        if body.get("chat_template_kwargs") != {"thinks_at_once": True} and body.get("chat_template_kwargs") != {}:
            assert "reasoning" not in told


def test_marks_of_another_family():
    with serve("--reasoning-parser", "granite") as server:
        for seed in range(4):
            assert message(server, "Yes.", seed=seed, thinking_token_budget=0, max_tokens=2000)["content"] == "Yes."


def test_a_budget_of_thinking(qwen):
    """The mark that ends the thinking is drawn after so many tokens, and the answer is held to its form."""
    for seed in range(3):
        body = {"seed": seed, "chat_template_kwargs": {"thinks_at_once": True}, "max_tokens": 300, "thinking_token_budget": 12,
                "structured_outputs": {"choice": ["Yes."]}}
        [choice] = ask(qwen, return_token_ids=True, **body)["choices"]
        assert choice["message"]["content"] == "Yes." and choice["finish_reason"] == "stop"
        thought = choice["message"].get("reasoning", "")
        assert choice["message"].get("reasoning_content", "") == thought
        told, reason = stream(qwen, **body)
        assert told["content"] == "Yes." and told.get("reasoning", "") == thought and reason == "stop"
        assert len(choice["token_ids"]) < 40
        assert "reasoning" not in message(qwen, include_reasoning=False, **body)
        assert "reasoning" not in message(qwen, reasoning_format="hidden", **body)
        assert "reasoning" not in message(qwen, reasoning={"exclude": True}, **body)
        assert message(qwen, reasoning_format="parsed", **body) == message(qwen, **body)
        whole = message(qwen, separate_reasoning=False, **{**body, "structured_outputs": None})
        assert "reasoning" not in whole and "</think>" in whole["content"]


def test_a_budget_is_spent_to_its_last_token(qwen):
    """And by no more than that, where a character ends with it."""
    mark = qwen.http.post("/tokenize", json={"prompt": "</think>", "add_special_tokens": False}).json()["tokens"]

    def thought(seed):
        [choice] = ask(qwen, return_token_ids=True, seed=seed, thinking_token_budget=7, max_tokens=60,
                       chat_template_kwargs={"thinks_at_once": True}, structured_outputs={"choice": ["Yes."]})["choices"]
        ids = choice["token_ids"]
        return next(i for i in range(len(ids)) if ids[i:i + len(mark)] == mark)

    assert min(thought(seed) for seed in range(10)) == 7


def test_a_budget_ends_between_characters(qwen):
    """Also where its last token is a part of one: then no text behind it would be of the answer's form."""
    for seed in range(120):
        told = message(qwen, "Yes.", seed=seed, thinking_token_budget=1, chat_template_kwargs={"thinks_at_once": True}, max_tokens=60)
        assert told["content"] == "Yes."


def test_effort_reaches_the_template(qwen):
    assert prompt_of(qwen, reasoning_effort="low").endswith("[low]")
    assert prompt_of(qwen, reasoning_effort="none").endswith("</think>\n\n[none]")
    assert prompt_of(qwen, enable_thinking=False) == prompt_of(qwen, thinking={"type": "disabled"}) == \
        prompt_of(qwen, chat_template_kwargs={"enable_thinking": False})
    assert "<think>" not in prompt_of(qwen, reasoning_effort="none", chat_template_kwargs={"enable_thinking": True})


@pytest.fixture(scope="module")
def special_model(tmp_path_factory):
    """The embedded model's files, with the marks of Phi-4-mini and of thinking as special tokens."""
    folder = tmp_path_factory.mktemp("models") / "special"
    folder.mkdir()
    for path in MODEL_DIR.iterdir():
        if path.name != "tokenizer.json":
            (folder / path.name).symlink_to(path)
    tokenizer = json.loads((MODEL_DIR / "tokenizer.json").read_text())
    vocabulary, merges = tokenizer["model"]["vocab"], tokenizer["model"]["merges"]
    names = {id: name for name, id in vocabulary.items()}
    gone = set()
    for offset, mark in enumerate(["<|tool_call|>", "<|/tool_call|>", "<think>", "</think>"], start=1):
        id = len(vocabulary) - offset
        gone.add(names[id])
        del vocabulary[names[id]]
        vocabulary[mark] = id
        tokenizer["added_tokens"].append({**tokenizer["added_tokens"][0], "id": id, "content": mark})
    parts = [pair.split(" ") if isinstance(pair, str) else pair for pair in merges]
    tokenizer["model"]["merges"] = [pair for pair, (a, b) in zip(merges, parts, strict=True) if not {a, b, a + b} & gone]
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    return folder


def test_marks_that_are_special_tokens(special_model):
    """They are drawn as tokens, seen by the parser, and shown to nobody."""
    name = special_model.name
    with Server("--backend", "fake", "--fake-step-time", "0", "--model", str(special_model), "--chat-template",
                str(TEMPLATES / "qwen.jinja"), "--tool-call-parser", "phi4_mini_json") as server:
        marks = {mark: server.http.post("/tokenize", json={"prompt": mark, "add_special_tokens": False}).json()["tokens"]
                 for mark in ("<|tool_call|>", "<|/tool_call|>", "</think>")}
        assert all(len(ids) == 1 for ids in marks.values())
        body = {"model": name, "chat_template_kwargs": {"thinks_at_once": True}, "thinking_token_budget": 5, "max_tokens": 600,
                "return_token_ids": True}
        finished = 0
        for seed in range(4):
            [choice] = ask(server, tools=[TIME], tool_choice="required", parallel_tool_calls=False, seed=seed, **body)["choices"]
            assert marks["</think>"][0] in choice["token_ids"] and marks["<|tool_call|>"][0] in choice["token_ids"]
            assert calls_of(choice["message"]) == [("time", {})] and choice["finish_reason"] == "tool_calls"
            assert choice["message"]["content"] is None
            told, reason = stream(server, tools=[TIME], tool_choice="required", parallel_tool_calls=False, seed=seed, **body)
            assert calls_of(told) == [("time", {})] and reason == "tool_calls"
            # Free text holds no special tokens but those that begin a call.
            free = {**body, "max_tokens": 60, "chat_template_kwargs": {"enable_thinking": False}}
            told = message(server, tools=TOOLS, parallel_tool_calls=False, seed=seed, **free)
            assert "<|" not in (told["content"] or "")
            finished += 1
        assert finished == 4


class Weather(pydantic.BaseModel):
    city: Literal["Rio", "Lima"]
    days: int


def test_the_official_client(qwen):
    client = qwen.openai()
    tool = openai.pydantic_function_tool(Weather)
    request = {"model": MODEL, "messages": USER, "tools": [tool], "tool_choice": "required", "parallel_tool_calls": False,
               "max_tokens": 400, "extra_body": {"chat_template_kwargs": {"enable_thinking": False}}}
    answer = client.chat.completions.parse(**request, seed=1)
    [call] = answer.choices[0].message.tool_calls
    assert isinstance(call.function.parsed_arguments, Weather)
    with client.chat.completions.stream(**request, seed=1) as events:
        done = [event for event in events if event.type == "tool_calls.function.arguments.done"]
        final = events.get_final_completion().choices[0]
    assert done[0].name == "Weather" and done[0].parsed_arguments == call.function.parsed_arguments
    assert final.finish_reason == "tool_calls"
    history = [*USER, answer.choices[0].message.model_dump(exclude_none=True),
               {"role": "tool", "tool_call_id": call.id, "content": "22 degrees"}]
    assert client.chat.completions.create(model=MODEL, messages=history, tools=[tool], max_tokens=4).choices
