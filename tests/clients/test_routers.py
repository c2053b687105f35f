"""Proxies and routers between clients and servers: what comes out at the front is what the servers say."""

import contextlib

import httpx
import openai
import pytest
import yaml
from conftest import NAME, offline, tool
from proxies import free_port, running
from server import Server, parse_metrics

ASK = {"model": NAME, "max_tokens": 8, "temperature": 0}
MESSAGES = [{"role": "user", "content": "Call me"}]


@pytest.fixture(scope="module")
def pair(server):
    with Server("--backend", "cpu", "--served-model-name", NAME) as other:
        yield server, other


def client_of(url, key="none"):
    return openai.OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0, timeout=60,
                         http_client=httpx.Client(trust_env=False))


def converse(url, reference, rounds=6, key="none"):
    """Texts and conversations, whole and streamed, as OpenAI's client asks for them."""
    with contextlib.closing(client_of(url, key)) as client:
        for _ in range(rounds):
            assert client.completions.create(prompt="Call me", **ASK).choices[0].text == reference.text()
            chat = client.chat.completions.create(messages=MESSAGES, **ASK)
            assert chat.choices[0].message.content == reference.chat()
        stream = client.completions.create(prompt="Call me", stream=True, **ASK)
        assert "".join(chunk.choices[0].text or "" for chunk in stream if chunk.choices) == reference.text()
        stream = client.chat.completions.create(messages=MESSAGES, stream=True, stream_options={"include_usage": True},
                                                **ASK)
        chunks = list(stream)
        text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
        assert text == reference.chat()
        assert chunks[-1].usage.completion_tokens == 8
        with pytest.raises(openai.BadRequestError, match="maximum context length"):
            client.chat.completions.create(messages=MESSAGES, **{**ASK, "max_tokens": 1_048_570})


def finished(server):
    metrics = parse_metrics(server.http.get("/metrics").text)
    return sum(metrics[f'batucada_requests_finished_total{{reason="{reason}"}}'] for reason in ("length", "stop"))


@pytest.mark.parametrize(("environment", "command"), [
    ("vllm_router", ["vllm-router"]),
    ("sglang_router", ["sglang-router", "launch"]),
    ("smg", ["smg", "launch"]),
])
def test_router_in_front_of_two_servers(pair, reference, tmp_path, environment, command):
    port, metrics_port = free_port(), free_port()
    before = [finished(one) for one in pair]
    arguments = ["--host", "127.0.0.1", "--port", str(port), "--worker-urls", *(one.url for one in pair), "--policy",
                 "round_robin", "--prometheus-port", str(metrics_port)]
    url = f"http://127.0.0.1:{port}"
    with running([tool(environment, command[0]), *command[1:], *arguments], url, tmp_path, path="/readiness"):
        converse(url, reference)
    after = [finished(one) for one in pair]
    assert all(now > then for now, then in zip(after, before, strict=True)), "one of the servers was never asked"


def test_litellm_proxy(server, reference, tmp_path):
    port = free_port()
    key = "sk-of-the-proxy"  # it does not start without one
    config = {"general_settings": {"master_key": key}, "model_list": [{"model_name": NAME, "litellm_params": {
        "model": f"openai/{NAME}", "api_base": f"{server.url}/v1", "api_key": "none"}}]}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    url = f"http://127.0.0.1:{port}"
    command = [tool("litellm", "litellm"), "--config", "config.yaml", "--port", str(port), "--host", "127.0.0.1"]
    with running(command, url, tmp_path, offline(), path="/health/liveliness"):
        converse(url, reference, rounds=2, key=key)
