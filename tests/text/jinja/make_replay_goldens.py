#!/usr/bin/env python3
"""Writes replay_goldens.json: what jinja2 makes of conversations as clients send them back over the wire, with past calls
of tools, once they are in the form that a chat server hands to a template.

    python3 -m venv build/jinja-venv && build/jinja-venv/bin/pip install jinja2==3.1.6
    build/jinja-venv/bin/python tests/text/jinja/make_replay_goldens.py

The form is that of `transformers serve` 5.24.0 and its apply_chat_template: members that are None are gone, the JSON text
of `arguments` is what it stands for, and a content that is None beside calls is an empty text. For templates that
cannot render a call in this form, arguments stay a text, or the content None, as they were on the wire.
"""

import copy
import json
import pathlib

import jinja2

import conversations
import jinja_environment
from make_goldens import attempt, special_tokens

HERE = pathlib.Path(__file__).resolve().parent


def call(name, arguments, id="abcdef123"):
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


# As the OpenAI client's message.model_dump() has it.
def replayed(content, calls=None):
    return {"role": "assistant", "content": content, "refusal": None, "annotations": None, "audio": None,
            "function_call": None, "tool_calls": calls}


WEATHER = call("get_weather", '{"city": "São Paulo", "days": 2, "exact": true, "x": null}')
RESULT = {"role": "tool", "content": "22 °C", "tool_call_id": "abcdef123"}

CONVERSATIONS = {
    "no_calls": [conversations.user("Hi"), replayed("Hello!"), conversations.user("Again")],
    "said_nothing": [conversations.user("Hi"), replayed(None), conversations.user("Again")],
    "one_call": [conversations.user("Weather?"), replayed(None, [WEATHER]), RESULT, replayed("Warm."),
                 conversations.user("Thanks")],
    "talking_call": [conversations.user("Weather?"), replayed("Let me see.", [WEATHER]), RESULT],
    "two_calls": [conversations.user("Weather?"),
                  replayed(None, [WEATHER, call("now", "", "abcdef124")]), RESULT,
                  {"role": "tool", "content": "noon", "tool_call_id": "abcdef124"}],
    "absent_content": [conversations.user("Weather?"), {"role": "assistant", "tool_calls": [WEATHER]}, RESULT],
    "broken_arguments": [conversations.user("Weather?"), replayed(None, [call("get_weather", '{"city": "São')]), RESULT],
    "empty_calls": [conversations.user("Hi"), replayed("Hello!", []), conversations.user("Again")],
}


def parsed(arguments):
    if not isinstance(arguments, str):
        return arguments
    try:
        return json.loads(arguments) if arguments else {}
    except json.JSONDecodeError:
        return arguments


def normalized(messages, as_objects, missing_content):
    out = []
    for message in copy.deepcopy(messages):
        message = {key: value for key, value in message.items() if value is not None or key == "content"}
        if message.get("tool_calls") == []:
            del message["tool_calls"]
        for item in message.get("tool_calls", []):
            if as_objects:
                item["function"]["arguments"] = parsed(item["function"]["arguments"])
            elif not isinstance(item["function"]["arguments"], str):
                item["function"]["arguments"] = json.dumps(item["function"]["arguments"], separators=(",", ":"))
        if message["role"] == "assistant" and message.get("content") is None:
            message["content"] = missing_content if "tool_calls" in message else ""
        out.append(message)
    return out


def render(source, messages, tokens):
    return jinja_environment.apply_chat_template(source, messages, tokens, "generation_prompt")


def form_of(source, tokens):
    """The first form in which a call is printed."""
    probe = [conversations.user("question"), replayed(None, [call("probe_name", {"value": "probe_argument"}, "batucada1")]),
             {"role": "tool", "content": "result", "tool_call_id": "batucada1", "name": "probe_name"}]
    for as_objects in (True, False):
        for missing_content in ("", None):
            text = attempt(lambda: jinja_environment.apply_chat_template(
                source, normalized(probe, as_objects, missing_content), tokens, "generation_prompt")).get("text", "")
            if "probe_name" in text and "probe_argument" in text:
                return as_objects, missing_content
    return True, ""


def cases():
    for path in sorted((HERE / "templates").glob("*.jinja")):
        source, tokens = path.read_text(encoding="utf-8"), special_tokens(path.stem)
        form = form_of(source, tokens)
        for name, messages in CONVERSATIONS.items():
            yield {"template": path.stem, "conversation": name,
                   **attempt(lambda: render(source, normalized(messages, *form), tokens))}


def main():
    lines = [json.dumps(case, ensure_ascii=False) for case in cases()]
    text = (f'{{"made_by": "jinja2 {jinja2.__version__}",\n'
            f'"conversations": {json.dumps(CONVERSATIONS, ensure_ascii=False)},\n'
            f'"cases": [\n' + ",\n".join(lines) + "\n]}\n")
    (HERE / "replay_goldens.json").write_text(text, encoding="utf-8")
    print(f"{len(lines)} cases, {sum('error' in json.loads(line) for line in lines)} of them refused")


if __name__ == "__main__":
    main()
