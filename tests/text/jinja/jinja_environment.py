"""jinja2 set up as Hugging Face's apply_chat_template sets it up: the reference for the interpreter in text/jinja.

Needs jinja2 and nothing else.
"""

import copy
import datetime
import json

import jinja2
import jinja2.ext
import jinja2.sandbox

NOW = datetime.datetime(2025, 3, 9, 17, 5, 42)  # what strftime_now() tells
CONTINUE_MARK = "CONTINUE_FINAL_MESSAGE_TAG "
REASONING_NAMES = ("reasoning_content", "thinking", "reasoning")


class GenerationBlocks(jinja2.ext.Extension):
    """{% generation %}: marks the assistant's words for training and prints its body."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_body"), [], [], body).set_lineno(line)

    def _body(self, caller):
        return caller()


class ChatNamespace(jinja2.utils.Namespace):
    """A namespace that refuses names with a leading underscore."""

    def __init__(*args, **kwargs):
        self, args = args[0], args[1:]
        attributes = dict(*args, **kwargs)
        for name in attributes:
            ChatNamespace.check(name)
        jinja2.utils.Namespace.__init__(self, attributes)

    def __setitem__(self, name, value):
        ChatNamespace.check(name)
        jinja2.utils.Namespace.__setitem__(self, name, value)

    @staticmethod
    def check(name):
        if isinstance(name, str) and name.startswith("_"):
            raise jinja2.exceptions.SecurityError(name)


def raise_exception(message):
    raise jinja2.exceptions.TemplateError(message)


def to_json(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def make_environment():
    environment = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[GenerationBlocks, jinja2.ext.loopcontrols])
    environment.filters["tojson"] = to_json
    environment.globals["raise_exception"] = raise_exception
    environment.globals["strftime_now"] = NOW.strftime
    environment.globals["namespace"] = ChatNamespace
    return environment


def render(source, variables):
    return make_environment().from_string(source).render(**variables)


def with_reasoning(message):
    """The message with its reasoning under each of the names that templates know."""
    reasoning = next((message[name] for name in REASONING_NAMES if message.get(name) is not None), None)
    return message if reasoning is None else {"thinking": reasoning, **message, "reasoning_content": reasoning}


def apply_chat_template(source, messages, special_tokens=None, ending="closed", variables=None):
    """`ending` is "closed", "generation_prompt" or "continue_final_message"."""
    messages = [with_reasoning(message) for message in copy.deepcopy(messages)]
    if ending == "continue_final_message":
        content = messages[-1]["content"]
        if isinstance(content, list):
            part = next(part for part in reversed(content) if "text" in part)
            content, part["text"] = part["text"], part["text"] + CONTINUE_MARK
        else:
            messages[-1]["content"] = content + CONTINUE_MARK
    names = {"tools": None, "documents": None, **(special_tokens or {}), **(variables or {})}
    text = render(source, {
        **names, "messages": messages, "add_generation_prompt": ending == "generation_prompt"})
    if ending != "continue_final_message":
        return text
    if content.strip() not in text or CONTINUE_MARK.strip() not in text:
        raise ValueError("the final message does not appear")
    mark = text.rindex(CONTINUE_MARK.strip())
    if text[mark:].startswith(CONTINUE_MARK):
        return text[:mark]
    return text[:mark].rstrip()
