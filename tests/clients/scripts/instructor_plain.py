"""instructor without a response model: the plain text of a chat, streamed and not."""

import json
import sys

import instructor
import openai

url, model = sys.argv[1:]
client = instructor.from_openai(openai.OpenAI(base_url=f"{url}/v1", api_key="none"), mode=instructor.Mode.JSON)
ask = {"model": model, "messages": [{"role": "user", "content": "Call me"}], "max_tokens": 8, "temperature": 0,
       "response_model": None}
answer = client.chat.completions.create(**ask)
pieces = [chunk.choices[0].delta.content or "" for chunk in client.chat.completions.create(**ask, stream=True)]
print(json.dumps({"chat": answer.choices[0].message.content, "stream": "".join(pieces)}))
