#!/usr/bin/env python3
"""Writes goldens.json: what jinja2, set up as Hugging Face does, makes of the templates beside this file.

    python3 -m venv build/jinja-venv && build/jinja-venv/bin/pip install jinja2==3.1.6
    build/jinja-venv/bin/python tests/text/jinja/make_goldens.py

A case without "text" is one that jinja2 refuses, at whatever stage.
"""

import json
import pathlib

import conversations
import jinja_environment
import snippets

HERE = pathlib.Path(__file__).resolve().parent
ENDINGS = ["closed", "generation_prompt", "continue_final_message"]
TAKE_PARTS = {"gemma3"}

# What each family calls its tokens.
SPECIAL_TOKENS = {
    "chatml": {"eos_token": "<|im_end|>"},
    "deepseek": {"bos_token": "<｜begin▁of▁sentence｜>", "eos_token": "<｜end▁of▁sentence｜>"},
    "falcon3": {"eos_token": "<|endoftext|>"},
    "falcon_mamba": {"bos_token": "<|endoftext|>", "eos_token": "<|im_end|>"},
    "gemma": {"bos_token": "<bos>", "eos_token": "<eos>"},
    "generation": {"eos_token": "<|im_end|>"},
    "hermes": {"bos_token": "<|begin_of_text|>", "eos_token": "<|im_end|>"},
    "jamba15": {"bos_token": "<|startoftext|>", "eos_token": "<|eom|>"},
    "jamba_reasoning": {"bos_token": "<|startoftext|>", "eos_token": "<|im_end|>"},
    "llama2": {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"},
    "llama3": {"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>"},
    "mistral": {"bos_token": "<s>", "eos_token": "</s>"},
    "phi": {"eos_token": "<|endoftext|>"},
    "qwen": {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"},
    "zephyr": {"bos_token": "<s>", "eos_token": "</s>"},
}


def special_tokens(name):
    return next(tokens for family, tokens in SPECIAL_TOKENS.items() if name.startswith(family))


def attempt(function):
    """{"text": …}, or {} if it raises, and which it was for the one who reads the goldens."""
    try:
        return {"text": function()}
    except Exception as error:  # jinja2 lets Python's own errors through
        return {"error": f"{type(error).__name__}: {error}"[:200]}


def chat_cases():
    for path in sorted((HERE / "templates").glob("*.jinja")):
        source = path.read_text(encoding="utf-8")
        chats = dict(conversations.CONVERSATIONS)
        if path.stem in TAKE_PARTS:
            chats.update(conversations.PART_CONVERSATIONS)
        for name, chat in chats.items():
            for ending in ENDINGS:
                result = attempt(lambda: jinja_environment.apply_chat_template(
                    source, chat["messages"], special_tokens(path.stem), ending, chat.get("variables")))
                yield {"template": path.stem, "conversation": name, "ending": ending, **result}


def snippet_sources():
    for expression in (HERE / "expressions.txt").read_text(encoding="utf-8").splitlines():
        yield "{{ " + expression + " }}"
    yield from snippets.TEMPLATES


def main():
    chats = {**conversations.CONVERSATIONS, **conversations.PART_CONVERSATIONS}
    goldens = {
        "now": jinja_environment.NOW.isoformat(),
        "special_tokens": {path.stem: special_tokens(path.stem) for path in sorted((HERE / "templates").glob("*.jinja"))},
        "conversations": chats,
        "chats": list(chat_cases()),
        "variables": snippets.VARIABLES,
        "snippets": [{"source": source, **attempt(lambda: jinja_environment.render(source, snippets.VARIABLES))}
                     for source in snippet_sources()],
    }
    # One case a line: a change shows as what it is.
    parts = []
    for key, value in goldens.items():
        if isinstance(value, list):
            lines = ",\n".join(json.dumps(item, ensure_ascii=False) for item in value)
            parts.append(f"{json.dumps(key)}: [\n{lines}\n]")
        else:
            parts.append(f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}")
    text = "{\n" + ",\n".join(parts) + "\n}\n"
    (HERE / "goldens.json").write_text(text, encoding="utf-8")
    refused = sum("text" not in case for case in goldens["chats"] + goldens["snippets"])
    print(f"{len(goldens['chats'])} chats and {len(goldens['snippets'])} snippets, {refused} of them refused")


if __name__ == "__main__":
    main()
