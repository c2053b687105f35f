"""LlamaIndex: a tool that must be called, and run, whole and streamed; and an answer by a schema."""

import json
import sys
from typing import Literal

sys.path.pop(0)  # this folder, whose llama_index.py has the library's name

import pydantic  # noqa: E402
from llama_index.core.prompts import PromptTemplate  # noqa: E402
from llama_index.core.tools import FunctionTool  # noqa: E402
from llama_index.llms.openai_like import OpenAILike  # noqa: E402


class Step(pydantic.BaseModel):
    """A step."""
    way: Literal["left", "right"]
    far: bool


def turn(way: Literal["left", "right"], far: bool) -> str:
    """Turns."""
    return f"turned {way}"


url, model = sys.argv[1:]
llm = OpenAILike(api_base=f"{url}/v1", api_key="none", model=model, temperature=0, max_tokens=400, context_window=2048,
                 is_chat_model=True, is_function_calling_model=True)
tool = FunctionTool.from_defaults(turn)
asked = {"user_msg": "Where?", "tool_required": True, "allow_parallel_tool_calls": False}
[call] = llm.get_tool_calls_from_response(llm.chat_with_tools([tool], **asked))
said = {"call": call.tool_name == "turn" and call.tool_kwargs["way"] in ("left", "right") and isinstance(call.tool_kwargs["far"], bool)}
last = list(llm.stream_chat_with_tools([tool], **asked))[-1]
[streamed] = llm.get_tool_calls_from_response(last)
said["streamed"] = (streamed.tool_name, streamed.tool_kwargs) == (call.tool_name, call.tool_kwargs)
said["run"] = llm.predict_and_call([tool], **asked).response == f"turned {call.tool_kwargs['way']}"
said["structured"] = isinstance(llm.structured_predict(Step, PromptTemplate("Where?"), llm_kwargs={
    "tool_choice": "required", "parallel_tool_calls": False}), Step)
print(json.dumps(said))
