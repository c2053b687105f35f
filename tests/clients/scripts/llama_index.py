"""LlamaIndex: OpenAILike as a model of chat and of completions, streamed and not."""

import json
import sys

sys.path.pop(0)  # this file has the package's name
from llama_index.core.llms import ChatMessage  # noqa: E402
from llama_index.llms.openai_like import OpenAILike  # noqa: E402

url, model = sys.argv[1:]
where = {"api_base": f"{url}/v1", "api_key": "none", "model": model, "temperature": 0, "max_tokens": 8,
         "context_window": 2048}
chat = OpenAILike(**where, is_chat_model=True)
messages = [ChatMessage(role="user", content="Call me")]
complete = OpenAILike(**where, is_chat_model=False)
print(json.dumps({"chat": chat.chat(messages).message.content,
                  "stream": "".join(piece.delta or "" for piece in chat.stream_chat(messages)),
                  "text": complete.complete("Call me").text,
                  "text_stream": "".join(piece.delta or "" for piece in complete.stream_complete("Call me"))}))
