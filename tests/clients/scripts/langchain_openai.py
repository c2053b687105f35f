"""LangChain: ChatOpenAI and OpenAI, streamed and not, a batch, and what it makes of an overflow."""

import json
import sys

sys.path.pop(0)  # this file has the package's name
from langchain_core.exceptions import ContextOverflowError  # noqa: E402
from langchain_openai import ChatOpenAI, OpenAI  # noqa: E402

url, model = sys.argv[1:]
where = {"base_url": f"{url}/v1", "api_key": "none", "model": model, "temperature": 0, "max_tokens": 8}
chat = ChatOpenAI(**where, logprobs=True)
answer = chat.invoke("Call me")
streamed = "".join(chunk.content for chunk in ChatOpenAI(**where, stream_usage=True).stream("Call me"))
try:
    ChatOpenAI(**{**where, "max_tokens": 1_048_570}).invoke("Call me")
    overflow = None
except ContextOverflowError:
    overflow = "ContextOverflowError"
complete = OpenAI(**where)
print(json.dumps({"chat": answer.content, "stream": streamed, "text": complete.invoke("Call me"),
                  "batch": complete.batch(["Call me", "It was"]), "tokens": answer.usage_metadata["output_tokens"],
                  "logprobs": len(answer.response_metadata["logprobs"]["content"]), "overflow": overflow}))
