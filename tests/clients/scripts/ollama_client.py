"""Ollama's Python client: list, show, generate and chat, streamed and not."""

import json
import sys

import ollama

url, model = sys.argv[1:]
client = ollama.Client(host=url)
options = {"temperature": 0, "num_predict": 8}
messages = [{"role": "user", "content": "Call me"}]
raw = client.generate(model=model, prompt="Call me", raw=True, options=options)
chat = client.chat(model=f"{model}:latest", messages=messages, options=options, keep_alive="5m")


def weather(city: str) -> str:
    """Tells the weather.

    Args:
      city: Where
    """
    return f"22 degrees in {city}"


tools = client.chat(model=model, messages=messages, options=options, tools=[weather], think=False)
history = [*messages, {"role": "assistant", "tool_calls": [{"function": {"name": "weather", "arguments": {"city": "Rio"}}}]},
           {"role": "tool", "tool_name": "weather", "content": weather("Rio")}]
try:
    client.chat(model="another", messages=messages)
    missing = None
except ollama.ResponseError as error:
    missing = error.status_code
print(json.dumps({
    "names": [one.model for one in client.list().models], "capabilities": client.show(model).capabilities,
    "raw": raw.response, "tokens": raw.eval_count, "reason": raw.done_reason,
    "raw_stream": "".join(part.response for part in
                          client.generate(model=model, prompt="Call me", raw=True, options=options, stream=True)),
    "chat": chat.message.content,
    "chat_stream": "".join(part.message.content for part in
                           client.chat(model=model, messages=messages, options=options, stream=True)),
    "templated": client.generate(model=model, prompt="Call me", options=options).response, "missing": missing,
    "tools": tools.done_reason, "calls": [call.model_dump() for call in tools.message.tool_calls or []],
    "history": client.chat(model=model, messages=history, options=options, tools=[weather]).eval_count}))
