"""LiteLLM's SDK: text and chat completions, streamed and not, and what it makes of an overflow."""

import json
import sys

import litellm

url, model = sys.argv[1:]
where = {"api_base": f"{url}/v1", "api_key": "none"}
text = litellm.text_completion(model=f"text-completion-openai/{model}", prompt="Call me", max_tokens=8, temperature=0,
                               **where)
ask = {"model": f"openai/{model}", "messages": [{"role": "user", "content": "Call me"}], "max_tokens": 8,
       "temperature": 0, **where}
chat = litellm.completion(**ask, user="somebody", metadata={"run": "1"})
pieces = [chunk.choices[0].delta.content or "" for chunk in litellm.completion(**ask, stream=True)]
try:
    litellm.completion(**{**ask, "max_tokens": 1_048_570})
    overflow = None
except litellm.ContextWindowExceededError as error:
    overflow = type(error).__name__
print(json.dumps({"text": text.choices[0].text, "chat": chat.choices[0].message.content, "stream": "".join(pieces),
                  "overflow": overflow, "tokens": chat.usage.completion_tokens}))
