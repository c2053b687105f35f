"""Past calls of tools reach the template as it expects them, over HTTP and gRPC alike."""

import json

import grpc
import pytest

from server import PATIENCE_S, Server

OBJECTS = ("{% for m in messages %}[{{ m.role }}{% for c in m.tool_calls or [] %}|{{ c.id }}:{{ c.function.name }}"
           "({% for k, v in c.function.arguments.items() %}{{ k }}={{ v }};{% endfor %}){% endfor %}"
           "|{{ m.content + '' }}|{{ m.tool_call_id }}|{{ m.reasoning_content }}]{% endfor %}")
# Written for what the wire has, as DeepSeek R1's is: arguments are a text, and content beside calls is none.
TEXTS = ("{% for m in messages %}[{% if m.role == 'assistant' and m.content is none %}{% for c in m.tool_calls %}"
         "{{ c.function.name + c.function.arguments }}{% endfor %}{% else %}{{ m.content }}{% endif %}]{% endfor %}")
CALL = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Rio", "days": 2}'}}
MESSAGES = [{"role": "user", "content": "Weather?"},
            {"role": "assistant", "content": None, "tool_calls": [CALL], "reasoning_content": "Hm."},
            {"role": "tool", "content": "22 degrees", "tool_call_id": "c1"}]


@pytest.mark.parametrize("template, text", [
    (OBJECTS, "[user|Weather?||][assistant|c1:weather(city=Rio;days=2;)|||Hm.][tool|22 degrees|c1|]"),
    (TEXTS, '[Weather?][weather{"city": "Rio", "days": 2}][22 degrees]'),
], ids=["objects", "texts"])
def test_calls_are_in_the_templates_form(stubs, tmp_path, template, text):
    path = tmp_path / "template.jinja"
    path.write_text(template)
    with Server("--backend", "fake", "--chat-template", str(path)) as server:
        def ids(**body):
            return server.http.post("/tokenize", json=body).json()["tokens"]
        expected = ids(prompt=text, add_special_tokens=False)
        assert ids(messages=MESSAGES) == expected
        absent = [{name: value for name, value in message.items() if value is not None} for message in MESSAGES]
        assert ids(messages=absent) == expected
        as_object = json.loads(json.dumps(MESSAGES))
        as_object[1]["tool_calls"][0]["function"]["arguments"] = {"city": "Rio", "days": 2}
        if template == OBJECTS:
            assert ids(messages=as_object) == expected
        pb, services = stubs
        with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}", options=[("grpc.enable_http_proxy", 0)]) as channel:
            calls = [pb.ToolCall(id="c1", name="weather", arguments=CALL["function"]["arguments"])]
            request = pb.ChatRequest(max_tokens=1, messages=[
                pb.ChatMessage(role="user", content="Weather?"),
                pb.ChatMessage(role="assistant", tool_calls=calls, reasoning_content="Hm."),
                pb.ChatMessage(role="tool", content="22 degrees", tool_call_id="c1")])
            answers = list(services.InferenceStub(channel).Chat(request, timeout=PATIENCE_S))
            assert answers[-1].usage.prompt_tokens == len(expected)


def test_numbers_of_calls_and_tools_are_told_as_python_tells_them(cpu):
    """Not as 5E-1, and to their last digit."""
    numbers = {"t": 0.5, "p": 1.5, "big": 100.0, "tiny": 1e-07, "exact": 1.6459218913480014e-28, "n": 7}
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {
        "t": {"type": "number", "maximum": 0.5, "minimum": -20.5, "default": 1.6459218913480014e-28}}}}}
    for arguments in (json.dumps(numbers), numbers):
        call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": arguments}}
        said = [{"role": "user", "content": "q"}, {"role": "assistant", "tool_calls": [call]},
                {"role": "tool", "tool_call_id": "c", "content": "z"}]
        prompt = cpu.http.post("/apply-template", json={"messages": said, "tools": [tool]}).json()["prompt"]
        assert json.dumps(numbers, separators=(",", ":")) in prompt
        assert '"maximum":0.5,"minimum":-20.5,"default":1.6459218913480014e-28' in prompt


def test_numbers_of_schemas_are_kept_to_their_last_digit(cpu):
    for number in (1.6459218913480014e-28, 3.89808807021134e-299, 0.1234567890123456, -99999999999998.98):
        body = {"prompt": "It was", "max_tokens": 60, "structured_outputs": {"json": {"const": number}}}
        assert json.loads(cpu.http.post("/v1/completions", json=body).json()["choices"][0]["text"]) == number
