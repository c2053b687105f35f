"""smolagents: a model that must call a tool, whole and streamed, and an agent that runs it."""

import json
import sys

from smolagents import OpenAIModel, ToolCallingAgent, tool
from smolagents.models import ChatMessage, MessageRole, agglomerate_stream_deltas


@tool
def turn(way: str, far: bool) -> str:
    """Turns.

    Args:
        way: Where to. (choices: ["left", "right"])
        far: Whether it is far.
    """
    return f"turned {way}"


url, name = sys.argv[1:]
model = OpenAIModel(model_id=name, api_base=f"{url}/v1", api_key="none", temperature=0, max_tokens=400, parallel_tool_calls=False)
question = [ChatMessage(role=MessageRole.USER, content=[{"type": "text", "text": "Where?"}])]
whole = model.generate(question, tools_to_call_from=[turn])
[call] = whole.tool_calls
arguments = json.loads(call.function.arguments)
said = {"call": call.function.name == "turn" and arguments["way"] in ("left", "right") and isinstance(arguments["far"], bool)}
streamed = agglomerate_stream_deltas(list(model.generate_stream(question, tools_to_call_from=[turn])))
said["streamed"] = [(one.function.name, one.function.arguments) for one in streamed.tool_calls] == [(call.function.name, call.function.arguments)]
# It must call one of two tools: a small model knows no end, so that the agent's own takes its choice of words from a schema.
agent = ToolCallingAgent(tools=[turn], model=model, max_steps=1, verbosity_level=0)
agent.tools["final_answer"].inputs = {"answer": {"type": "string", "enum": ["left", "right"], "description": "The answer."}}
for step in agent.run("Where?", stream=True):
    pass
said["agent"] = any(getattr(step, "tool_calls", None) for step in agent.memory.steps)
print(json.dumps(said))
