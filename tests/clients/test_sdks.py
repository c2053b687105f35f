"""Libraries that programs are written with. Each script of scripts/ is what a user would write."""

import json
import os

import pytest
import yaml
from conftest import NAME, call, offline, script, tool


def test_litellm_sdk(server, reference, tmp_path):
    said = script("litellm", "litellm_sdk.py", server.url, tmp_path)
    assert said == {"text": reference.text(), "chat": reference.chat(), "stream": reference.chat(),
                    "overflow": "ContextWindowExceededError", "tokens": 8}


def test_langchain(server, reference, tmp_path):
    said = script("langchain", "langchain_openai.py", server.url, tmp_path)
    assert said == {"chat": reference.chat(), "stream": reference.chat(), "text": reference.text(),
                    "batch": [reference.text(), reference.text("It was")], "tokens": 8, "logprobs": 8,
                    "overflow": "ContextOverflowError"}


def test_llama_index(server, reference, tmp_path):
    said = script("langchain", "llama_index.py", server.url, tmp_path)
    assert said == {"chat": reference.chat(), "stream": reference.chat(), "text": reference.text(),
                    "text_stream": reference.text()}


def test_instructor(server, reference, tmp_path):
    said = script("instructor", "instructor_plain.py", server.url, tmp_path)
    assert said == {"chat": reference.chat(), "stream": reference.chat()}


def test_pydantic_ai(server, reference, tmp_path):
    said = script("pydantic_ai", "pydantic_ai_plain.py", server.url, tmp_path)
    assert (said["chat"], said["stream"], said["tokens"]) == (reference.chat(), reference.chat(), 8)
    assert said["second"]


@pytest.mark.parametrize("environment, name", [("instructor", "instructor_structured.py"), ("langchain", "langchain_structured.py"),
                                               ("pydantic_ai", "pydantic_ai_structured.py"), ("langchain", "llama_index_tools.py"),
                                               ("smolagents", "smolagents_tools.py")])
def test_structured_output_and_tools(server, tmp_path, environment, name):
    said = script(environment, name, server.url, tmp_path)
    assert said and all(said.values()), said


def test_huggingface_inference_client(server, reference, tmp_path):
    said = script("plain", "huggingface_inference.py", server.url, tmp_path, offline(HF_HUB_OFFLINE="0"))
    ids = server.complete(prompt="Call me", max_tokens=8, temperature=0, return_token_ids=True)["choices"][0]["token_ids"]
    text = reference.text()
    assert (said["text"], said["stream"], said["details_text"], said["streamed_text"]) == (text, text, text, text)
    assert said["tokens"] == said["streamed_tokens"] == ids
    assert (said["finish"], said["streamed_finish"]) == ("length", "length")
    stopped = server.complete(prompt="Call me", max_tokens=64, temperature=0, stop=["the"],
                              include_stop_str_in_output=True, echo=True)
    assert said["stopped"] == stopped["choices"][0]["text"]
    prompt = server.complete(prompt="Call me", max_tokens=1, return_token_ids=True)["choices"][0]["prompt_token_ids"]
    assert said["refused"] == "ValidationError" and said["best"] == [2, 8, prompt]
    assert said["chat"] == said["chat_stream"] == reference.chat()


def test_ollama(server, reference, tmp_path):
    said = script("plain", "ollama_client.py", server.url, tmp_path)
    assert said.pop("capabilities")[0] == "completion" and said.pop("tools") == "length" and said.pop("history") > 0
    assert said == {"names": [NAME], "calls": [], "raw": reference.text(), "tokens": 8,
                    "reason": "length", "raw_stream": reference.text(), "chat": reference.chat(),
                    "chat_stream": reference.chat(), "templated": reference.chat(), "missing": 404}


def test_llm(server, reference, tmp_path):
    models = [{"model_id": "samba", "model_name": NAME, "api_base": f"{server.url}/v1"},
              {"model_id": "samba-text", "model_name": NAME, "api_base": f"{server.url}/v1", "completion": True}]
    (tmp_path / "extra-openai-models.yaml").write_text(yaml.safe_dump(models))
    env = offline(LLM_USER_PATH=str(tmp_path), OPENAI_API_KEY="none")
    ask = [tool("plain", "llm"), "Call me", "-o", "temperature", "0", "-o", "max_tokens", "8"]
    assert call([*ask, "-m", "samba", "--no-stream"], tmp_path, env).strip() == reference.chat().strip()
    assert call([*ask, "-m", "samba"], tmp_path, env).strip() == reference.chat().strip()
    assert call([*ask, "-m", "samba-text"], tmp_path, env).strip() == reference.text().strip()


def test_scripts_are_run():
    here = os.path.dirname(__file__)
    tests = open(__file__, encoding="utf-8").read()
    assert [name for name in os.listdir(f"{here}/scripts") if name.endswith(".py") and json.dumps(name) not in tests] == []
