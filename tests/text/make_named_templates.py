"""Makes tests/text/fixtures/named_templates.json: which of a model's templates transformers takes, and what it renders.

    python3 -m venv build/transformers && build/transformers/bin/pip install transformers==5.24.0 jinja2
    build/transformers/bin/python tests/text/make_named_templates.py
"""
import json
import pathlib
import shutil
import tempfile

import transformers

FIXTURES = pathlib.Path(__file__).resolve().parent / "fixtures"
BODY = "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}"
TOOLS = [{"type": "function", "function": {"name": "add", "description": "Adds.", "parameters": {
    "type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]}}}]
CALLS = "{% for t in tools or [] %}<{{ t.function.name }}>{% endfor %}"
LIST = [{"name": "default", "template": "config " + BODY}, {"name": "rag", "template": "rag"},
        {"name": "tool_use", "template": "config tools " + CALLS + BODY}]
FILE, EXTRA = "chat_template.jinja", "additional_chat_templates/tool_use.jinja"


def shapes():
    yield {"tokenizer_config.json": json.dumps({"chat_template": LIST})}
    yield {"tokenizer_config.json": json.dumps({"chat_template": LIST[:1]})}
    yield {"tokenizer_config.json": json.dumps({"chat_template": LIST}), FILE: "file " + CALLS + BODY}
    yield {FILE: "file " + BODY, EXTRA: "file tools " + CALLS + BODY}
    yield {"tokenizer_config.json": json.dumps({"chat_template": LIST}), FILE: "file " + BODY,
           EXTRA: "file tools " + CALLS + BODY}


    odd = "  {% if true %}  {% endif %}\n\n  {%- set x = 1 %}\n " + CALLS + BODY + "\n  {# ends #}  \n\n"
    yield {FILE: odd, EXTRA: "\n" + odd + " \n"}
    yield {FILE: "\n" + odd + "{{ x }}-\n", EXTRA: "   {{ 1 }}" + odd + "  {%- if x -%}  \n  {% endif -%}"}


def main():
    cases = []
    for files in shapes():
        with tempfile.TemporaryDirectory() as folder:
            shutil.copy(FIXTURES / "llama3/tokenizer.json", folder)
            for name, content in files.items():
                path = pathlib.Path(folder) / name
                path.parent.mkdir(exist_ok=True)
                path.write_text(content)
            tokenizer = transformers.PreTrainedTokenizerFast.from_pretrained(folder)
            for tools in (None, TOOLS):
                text = tokenizer.apply_chat_template([{"role": "user", "content": "Hi"}], tools=tools, tokenize=False,
                                                     add_generation_prompt=True)
                cases.append({"files": files, "tools": tools or [], "text": text})
    lines = ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases)
    (FIXTURES / "named_templates.json").write_text(
        f'{{"made_by":"transformers {transformers.__version__}","cases":[\n{lines}\n]}}\n', encoding="utf-8")


if __name__ == "__main__":
    main()
