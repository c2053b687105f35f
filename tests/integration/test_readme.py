"""What the README tells newcomers to type works as it stands, but for the port."""

import contextlib
import io
import json
import re
import subprocess

import pytest

from server import PATIENCE_S, ROOT, Server

README = (ROOT / "README.md").read_text()
URL = "http://127.0.0.1:8000"


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def curl(*arguments):
    return subprocess.run(["curl", "-sS", "--noproxy", "*", *arguments], capture_output=True, text=True, timeout=PATIENCE_S,
                          check=True).stdout


@pytest.fixture(scope="module")
def server():
    with Server("--backend", "cpu") as server:
        yield server


def test_the_curl_line(server):
    [command] = [block for block in blocks("sh") if block.startswith("curl")]
    assert URL in command
    ended = subprocess.run(["sh", "-c", command.replace(URL, server.url).replace("curl", "curl --noproxy '*'")],
                           capture_output=True, text=True, timeout=PATIENCE_S, check=True)
    events = ended.stdout.split("\n\n")
    assert events[-2:] == ["data: [DONE]", ""]
    chunks = [json.loads(event.removeprefix("data: ")) for event in events[:-2]]
    assert len(chunks) > 30 and all(chunk["object"] == "text_completion" for chunk in chunks)


def test_the_python_lines(server):
    [program] = [block for block in blocks("python") if "from openai" in block]
    assert URL in program
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(compile(program.replace(URL, server.url), "README.md", "exec"), {})
    assert len(said.getvalue().split()) > 10


def test_every_page_with_curl(server):
    """A body needs no content type, an error is still JSON, HEAD and OPTIONS have their answers."""
    pages = {f"{method.upper()} {path}" for path, item in json.loads(curl(f"{server.url}/openapi.json"))["paths"].items()
             for method in item if "{" not in path}
    text, message = {"inputs": "a", "parameters": {"max_new_tokens": 1}}, {"role": "user", "content": "a"}
    told = {"model": "samba-classics-18m", "options": {"num_predict": 1}}
    bodies = {"/": text, "/generate": text, "/generate_stream": text, "/ping": {},
              "/completion": {"prompt": "a", "n_predict": 1}, "/completions": {"prompt": "a", "n_predict": 1},
              "/apply-template": {"messages": [message]}, "/api/generate": {**told, "prompt": "a"},
              "/api/chat": {**told, "messages": [message]}, "/api/show": told,
              "/v1/completions": {"prompt": "a", "max_tokens": 1}, "/tokenize": {"prompt": "a"}, "/detokenize": {"tokens": [70]},
              "/v1/tokenize": {"prompt": "a"}, "/v1/detokenize": {"tokens": [70]}, "/v1/responses/input_tokens": {"input": "a"},
              "/v1/chat/completions": {"messages": [message], "max_tokens": 1},
              "/chat/completions": {"messages": [message], "max_tokens": 1},
              "/v1/messages": {"messages": [message], "max_tokens": 1}, "/v1/messages/count_tokens": {"messages": [message]},
              "/v1/responses": {"input": "a", "max_output_tokens": 1}, "/v1/conversations": {},
              "/close_session": {"session_id": "a"}, "/v2/repository/index": {}, "/admin/log": {"request_sampling": 1}}
    for page in sorted(pages):
        method, path = page.split()
        data = ["-d", json.dumps(bodies[path])] if method == "POST" else []
        if data and path == "/admin/log":  # as no page of another site could send it
            data += ["-H", "Content-Type: application/json"]
        assert curl("-o", "/dev/null", "-w", "%{http_code}", *data, server.url + path) == "200", page
        if method == "GET":
            assert curl("-I", server.url + path).startswith("HTTP/1.1 200 "), page
        elif f"GET {path}" not in pages:
            refused = curl("-i", "-X", "OPTIONS", server.url + path)
            assert refused.startswith("HTTP/1.1 405 ") and "allow: POST" in refused
            others = not path.startswith(("/v1", "/tokenize", "/detokenize"))  # who have errors of shapes of their own
            own = '"error":{"type"' if path.startswith("/v1/messages") else '"error":"' if others else None
            assert '"error":{"message"' in refused or own and own in refused, page
    assert "<!doctype html>" in curl("-H", "Accept: text/html", server.url)
