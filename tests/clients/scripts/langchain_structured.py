"""langchain-openai: structured output by a schema, by a call and as any object of JSON, and tools, whole and streamed."""

import json
import sys
from typing import Literal

sys.path.pop(0)  # this folder, whose langchain_openai.py has the library's name

import openai  # noqa: E402
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
# json_mode asks for an object that may be any: what a small model writes is one, if it ends, and seldom a Step.
objects = 0
for seed in range(12):
    free = ChatOpenAI(model=name, base_url=f"{url}/v1", api_key="none", temperature=1, seed=seed, max_tokens=300, max_retries=0)
    try:
        answer = free.with_structured_output(Step, method="json_mode", include_raw=True).invoke("Where?")
    except openai.LengthFinishReasonError:
        continue
    objects += isinstance(json.loads(answer["raw"].content), dict) and (answer["parsed"] or answer["parsing_error"]) is not None
said["json_mode"] = objects > 0
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
