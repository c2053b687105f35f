"""langchain-openai: structured output by a schema and by a call, and tools, whole and streamed. Not its json_mode: a
small model does not end an object that may be any."""

import json
import sys
from typing import Literal

sys.path.pop(0)  # this folder, whose langchain_openai.py has the library's name

import pydantic  # noqa: E402
from langchain_core.messages import HumanMessage, ToolMessage  # noqa: E402
from langchain_openai import ChatOpenAI  # noqa: E402


class Step(pydantic.BaseModel):
    """A step."""
    way: Literal["left", "right"]
    far: bool


url, name = sys.argv[1:]
chat = ChatOpenAI(model=name, base_url=f"{url}/v1", api_key="none", temperature=0, max_tokens=1000, max_retries=0,
                  stream_usage=True)
said = {}
for method in ("json_schema", "function_calling"):
    said[method] = isinstance(chat.with_structured_output(Step, method=method).invoke("Where?"), Step)
bound = chat.bind_tools([Step], tool_choice="any", parallel_tool_calls=False)
question = HumanMessage("Where?")
answer = bound.invoke([question])
[call] = answer.tool_calls
said["tools"] = call["name"] == "Step" and set(call["args"]) == {"way", "far"}
streamed = None
for chunk in bound.stream([question]):
    streamed = chunk if streamed is None else streamed + chunk
said["streamed"] = [(one["name"], one["args"]) for one in streamed.tool_calls] == [(call["name"], call["args"])]
said["usage"] = streamed.usage_metadata["output_tokens"] == answer.usage_metadata["output_tokens"]
again = chat.bind(max_tokens=4).invoke([question, answer, ToolMessage("done", tool_call_id=call["id"])])
said["goes on"] = again.usage_metadata["output_tokens"] > 0
print(json.dumps(said))
