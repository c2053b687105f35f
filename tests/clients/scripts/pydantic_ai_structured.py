"""pydantic-ai with an output type, through a call of a tool and through a schema; a tool that the agent calls itself is
what a small model does not end with, so that none is offered."""

import asyncio
import json
import sys
from typing import Literal

import pydantic
from pydantic_ai import Agent, NativeOutput, ToolOutput
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider


class Step(pydantic.BaseModel):
    way: Literal["left", "right"]
    far: bool


url, name = sys.argv[1:]
model = OpenAIChatModel(name, provider=OpenAIProvider(base_url=f"{url}/v1", api_key="none"))


async def main():
    said = {}
    for kind in (ToolOutput, NativeOutput):
        agent = Agent(model, output_type=kind(Step), model_settings={"temperature": 0, "max_tokens": 400,
                                                                     "parallel_tool_calls": False})
        answer = await agent.run("Where?")
        said[kind.__name__] = isinstance(answer.output, Step)
        async with agent.run_stream("Where?") as result:
            said[kind.__name__ + " streamed"] = await result.get_output() == answer.output
    print(json.dumps(said))

asyncio.run(main())
