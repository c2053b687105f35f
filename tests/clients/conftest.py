import json
import os
import pathlib
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "integration"))

import environments  # noqa: E402
from server import MODEL, ROOT, Server  # noqa: E402

NAME = "samba-classics-18m"
PATIENCE_S = 850


@pytest.fixture(scope="session")
def server():
    with Server("--backend", "cpu") as one:
        yield one


def tool(environment, program):
    """The path of a client's program."""
    return str(environments.bin_of(environment) / program)


def offline(**more):
    """An environment in which nothing is looked for on the way out, but on this machine."""
    return {**os.environ, "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1",
            "LITELLM_LOCAL_MODEL_COST_MAP": "True", "DO_NOT_TRACK": "1", "NO_PROXY": "127.0.0.1,localhost",
            "TOKENIZERS_PARALLELISM": "false", **more}


def call(command, cwd, env=None, patience_s=PATIENCE_S):
    """What it prints, once it has ended well."""
    done = subprocess.run(command, cwd=cwd, env=env or offline(), capture_output=True, text=True, timeout=patience_s,
                          check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout[-4000:]}\n{done.stderr[-6000:]}"
    return done.stdout


def script(environment, name, url, cwd, env=None):
    """The JSON that scripts/NAME prints, the last line of its output."""
    python = tool(environment, "python")
    out = call([python, str(HERE / "scripts" / name), url, NAME], cwd, env)
    return json.loads(out.strip().splitlines()[-1])


class Reference:
    """What the server says to plain requests, which other tests hold against the model's reference."""

    def __init__(self, server):
        self.server = server

    def text(self, prompt="Call me", **more):
        return self.server.complete(prompt=prompt, max_tokens=8, temperature=0, **more)["choices"][0]["text"]

    def chat(self, content="Call me", **more):
        body = {"messages": [{"role": "user", "content": content}], "max_tokens": 8, "temperature": 0, **more}
        response = self.server.http.post("/v1/chat/completions", json=body)
        assert response.status_code == 200, response.text
        return response.json()["choices"][0]["message"]["content"]


@pytest.fixture(scope="session")
def reference(server):
    return Reference(server)


__all__ = ["MODEL", "NAME", "ROOT"]
