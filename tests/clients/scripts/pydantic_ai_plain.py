"""pydantic-ai: an agent that answers in plain text, whole and streamed, and goes on from its own messages."""

import asyncio
import json
import sys

from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

url, name = sys.argv[1:]
agent = Agent(OpenAIChatModel(name, provider=OpenAIProvider(base_url=f"{url}/v1", api_key="none")),
              model_settings={"temperature": 0, "max_tokens": 8})


async def streamed():
    async with agent.run_stream("Call me") as result:
        return [piece async for piece in result.stream_text(delta=True)]


async def main():
    answer = await agent.run("Call me")
    again = await agent.run("And then?", message_history=answer.all_messages())
    print(json.dumps({"chat": answer.output, "stream": "".join(await streamed()), "second": again.output,
                      "tokens": answer.usage.output_tokens}))

asyncio.run(main())
