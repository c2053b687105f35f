"""instructor with a response model: through a call of a tool, and through a schema."""

import json
import sys
from typing import Literal

import instructor
import openai
import pydantic


class Step(pydantic.BaseModel):
    way: Literal["left", "right"]
    far: bool


url, model = sys.argv[1:]
said = {}
for mode in (instructor.Mode.TOOLS, instructor.Mode.TOOLS_STRICT, instructor.Mode.JSON_SCHEMA):
    client = instructor.from_openai(openai.OpenAI(base_url=f"{url}/v1", api_key="none"), mode=mode)
    step = client.chat.completions.create(model=model, messages=[{"role": "user", "content": "Where?"}], max_tokens=400,
                                          temperature=0, max_retries=0, response_model=Step)
    said[mode.name] = isinstance(step, Step)
print(json.dumps(said))
