"""One translation and one validation: the same request draws the same tokens, and the same mistake gets the same words,
whichever way it comes in."""

import json
import queue

import grpc
import numpy as np
import pytest
import tritonclient.grpc as triton_grpc
import tritonclient.http as triton_http
from tritonclient.utils import InferenceServerException

from server import PATIENCE_S, Server

PROMPT = "It was a dark and stormy night; the rain fell in torrents"
# A template that writes the prompt as /v1/completions would read it, so that a conversation is the same request too.
TEMPLATE = "{{ bos_token }}{{ messages[0]['content'] }}"
# One that takes neither every text, nor every tool, variable and effort.
PARTICULAR = ("{% if reasoning_effort == 'low' %}{{ raise_exception('too low for this model') }}{% endif %}"
              "{% for tool in tools or [] %}{{ tool.function.name ~ tool.function.parameters.type }}{% endfor %}"
              "{{ (least or 0) + 1 }}{% if messages[-1].content == 'bad' %}{{ raise_exception('a bad word') }}{% endif %}"
              "{% for message in messages %}{{ message.content }}{% endfor %}")
MESSAGES = [{"role": "user", "content": PROMPT}]
SAMPLING = {"seed": 3, "temperature": 0.9, "top_p": 0.95, "top_k": 50, "min_p": 0.01, "presence_penalty": 0.5,
            "frequency_penalty": 0.5, "repetition_penalty": 1.1, "bad_words": ["rain"]}
BIAS = {263: -5.0, 14: 2.0}
STOPPING = {"stop": ["\n\n"], "min_tokens": 24, "ignore_eos": True}


class Wires:
    """Every way in, as {name: function of a JSON body's members that gives (text, ids or None)}."""

    def __init__(self, server, stubs):
        self.server, (self.pb, services) = server, stubs
        self.model = server.http.get("/v1/models").json()["data"][0]["id"]
        self.channel = grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}", options=[("grpc.enable_http_proxy", 0)])
        self.stub = services.InferenceStub(self.channel)
        self.triton = triton_grpc.InferenceServerClient(f"127.0.0.1:{server.grpc_port}")
        self.rest = triton_http.InferenceServerClient(f"127.0.0.1:{server.http_port}")

    def all(self):
        return {name: getattr(self, name) for name in dir(self) if name.startswith("by_")}

    def post(self, path, **body):
        response = self.server.http.post(path, json=body)
        if response.status_code != 200:
            said = response.json()["error"]
            raise ValueError(said if isinstance(said, str) else said["message"])
        return response

    def events(self, path, **body):
        lines = self.post(path, **body).text.splitlines()
        return [json.loads(line[6:]) for line in lines if line.startswith("data: {")]

    def by_completion(self, **body):
        [choice] = self.post("/v1/completions", prompt=PROMPT, return_token_ids=True, **body).json()["choices"]
        return choice["text"], choice["token_ids"]

    def by_completion_stream(self, **body):
        chunks = [chunk["choices"][0] for chunk in self.events("/v1/completions", prompt=PROMPT, stream=True,
                                                               return_token_ids=True, **body)]
        return "".join(chunk["text"] for chunk in chunks), [id for chunk in chunks for id in chunk["token_ids"]]

    def by_chat(self, **body):
        [choice] = self.post("/v1/chat/completions", messages=MESSAGES, return_token_ids=True, **body).json()["choices"]
        return choice["message"]["content"], choice["token_ids"]

    def by_chat_stream(self, **body):
        chunks = [chunk["choices"][0] for chunk in self.events("/v1/chat/completions", messages=MESSAGES, stream=True,
                                                               return_token_ids=True, **body)]
        return ("".join(chunk["delta"].get("content", "") for chunk in chunks),
                [id for chunk in chunks for id in chunk.get("token_ids", [])])

    def proto_fields(self, max_tokens=None, logit_bias=None, stop=(), min_tokens=None, ignore_eos=False, **sampling):
        bias = {int(id): value for id, value in (logit_bias or {}).items()}
        return {"max_tokens": max_tokens, "sampling": self.pb.SamplingOptions(logit_bias=bias, **sampling),
                "stopping": self.pb.StopOptions(stop=stop, min_tokens=min_tokens, ignore_eos=ignore_eos)}

    @staticmethod
    def joined(messages):
        return "".join(m.text for m in messages), [token.id for m in messages for token in m.tokens]

    def by_generate(self, **body):
        request = self.pb.GenerateRequest(text=PROMPT, **self.proto_fields(**body))
        return self.joined(list(self.stub.Generate(request, timeout=PATIENCE_S)))

    def by_complete(self, **body):
        request = self.pb.GenerateRequest(text=PROMPT, **self.proto_fields(**body))
        return self.joined(self.stub.Complete(request, timeout=PATIENCE_S).choices)

    def by_grpc_chat(self, **body):
        messages = [self.pb.ChatMessage(**message) for message in MESSAGES]
        request = self.pb.ChatRequest(messages=messages, **self.proto_fields(**body))
        return self.joined(list(self.stub.Chat(request, timeout=PATIENCE_S)))

    @staticmethod
    def tensors(triton, body, **more):
        made = []
        for name, value in {"text_input": PROMPT, "sampling_parameters": json.dumps(body), **more}.items():
            text = isinstance(value, str)
            array = np.array([value.encode() if text else value], dtype=object if text else bool)
            made.append(triton.InferInput(name, [1], "BYTES" if text else "BOOL"))
            made[-1].set_data_from_numpy(array)
        return made

    def by_triton_infer(self, **body):
        result = self.triton.infer(self.model, self.tensors(triton_grpc, body, exclude_input_in_output=True))
        return result.as_numpy("text_output")[0].decode(), None

    def by_triton_stream(self, **body):
        answers = queue.Queue()
        with triton_grpc.InferenceServerClient(f"127.0.0.1:{self.server.grpc_port}") as client:
            client.start_stream(lambda result, error: answers.put(error or result))
            client.async_stream_infer(self.model, self.tensors(triton_grpc, body, stream=True))
            client.stop_stream()
        text = ""
        while not answers.empty():
            answer = answers.get()
            if isinstance(answer, Exception):
                raise answer
            text += answer.as_numpy("text_output")[0].decode()
        return text, None

    def by_rest_infer(self, **body):
        result = self.rest.infer(self.model, self.tensors(triton_http, body, exclude_input_in_output=True))
        return result.as_numpy("text_output")[0].decode(), None

    def by_rest_generate(self, **body):
        answer = self.post(f"/v2/models/{self.model}/generate", text_input=PROMPT, exclude_input_in_output=True, **body)
        return answer.json()["text_output"], None

    def by_rest_generate_stream(self, **body):
        events = self.events(f"/v2/models/{self.model}/generate_stream", text_input=PROMPT, parameters=body)
        return "".join(event["text_output"] for event in events), None


@pytest.fixture(scope="module")
def wires(stubs, tmp_path_factory):
    template = tmp_path_factory.mktemp("template") / "bare.jinja"
    template.write_text(TEMPLATE)
    with Server("--backend", "cpu", "--chat-template", str(template)) as server:
        wires = Wires(server, stubs)
        yield wires
        wires.triton.close()
        wires.rest.close()
        wires.channel.close()


def test_the_same_request_draws_the_same_tokens(wires):
    body = {"max_tokens": 32, "logit_bias": {str(id): value for id, value in BIAS.items()}, **SAMPLING, **STOPPING}
    text, ids = wires.by_completion(**body)
    assert len(ids) >= 24 and "rain" not in text
    others = wires.all()
    assert len(others) == 12
    for name, ask in others.items():
        assert ask(**body) in ((text, ids), (text, None)), name
    # None of it is there for show.
    for member in ("seed", "temperature", "top_k", "repetition_penalty", "frequency_penalty", "logit_bias"):
        assert wires.by_completion(**{name: value for name, value in body.items() if name != member})[1] != ids, member


@pytest.mark.parametrize("wrong, says", [
    ({"temperature": 9}, "temperature is 9: it must be at least 0 and at most 2"),
    ({"top_k": -2}, "top_k is -2: it must be -1 to 2147483647"),
    ({"repetition_penalty": 0}, "repetition_penalty is 0: it must be more than 0 and at most 10"),
    ({"logit_bias": {"8192": 1}}, "logit_bias has the token id 8192: ids of this model are 0 to 8191"),
    ({"stop": [""]}, "stop[0] is empty: it would end every text"),
    ({"bad_words": [" "]}, "bad_words[0] is empty"),
    ({"max_tokens": -2}, "max_tokens is -2: it must be "),
    ({"max_tokens": 4, "min_tokens": 5}, "min_tokens is 5: it must be 0 to 4"),
], ids=str)
def test_the_same_mistake_gets_the_same_words(wires, wrong, says):
    for name, ask in wires.all().items():
        with pytest.raises((ValueError, grpc.RpcError, InferenceServerException)) as error:
            ask(**wrong)
        raised = error.value
        said = raised.details() if isinstance(raised, grpc.RpcError) else str(raised)
        assert says in said, name


@pytest.fixture(scope="module")
def particular(tmp_path_factory):
    template = tmp_path_factory.mktemp("template") / "particular.jinja"
    template.write_text(PARTICULAR)
    with Server("--backend", "fake", "--chat-template", str(template)) as server:
        yield server


TOOL = {"name": "f"}  # without parameters, which this template cannot do without
CHAT_TOOLS = {"tools": [{"type": "function", "function": TOOL}]}
ODD = {"chat_template_kwargs": {"least": "x"}}
BAD = [{"role": "user", "content": "bad"}]


@pytest.mark.parametrize("path, body, named, why", [
    *[(path, body, named, why) for path in ("/v1/chat/completions", "/tokenize", "/apply-template") for body, named, why in [
        (CHAT_TOOLS, "tools", "no attribute"), (ODD, "chat_template_kwargs", "can only concatenate"), ({"messages": BAD}, "messages", "a bad word"),
        ({**CHAT_TOOLS, **ODD}, "tools", "no attribute"), ({**CHAT_TOOLS, "messages": BAD}, "messages", "no attribute")]],
    ("/v1/chat/completions", {"reasoning_effort": "low"}, "reasoning_effort", "too low"),
    ("/v1/chat/completions", {"reasoning": {"effort": "low"}}, "reasoning.effort", "too low"),
    ("/v1/chat/completions", {"chat_template_kwargs": {"reasoning_effort": "low"}, "reasoning_effort": "high"}, "chat_template_kwargs", "too low"),
    ("/v1/responses", {"input": "a", "tools": [{"type": "function", **TOOL}]}, "tools", "no attribute"),
    ("/v1/responses", {"input": "a", **ODD}, "chat_template_kwargs", "can only concatenate"),
    ("/v1/responses", {"input": "a", "reasoning": {"effort": "low"}}, "reasoning.effort", "too low"),
    ("/v1/responses", {"input": "bad"}, "input", "a bad word"),
    ("/v1/responses/input_tokens", {"input": "a", **ODD}, "chat_template_kwargs", "can only concatenate"),
    ("/v1/messages", {"output_config": {"effort": "low"}}, "output_config.effort", "too low"),
    ("/v1/messages", {"messages": BAD}, "messages", "a bad word"),
    ("/v1/messages/count_tokens", {"output_config": {"effort": "low"}}, "output_config.effort", "too low"),
    ("/api/chat", {**CHAT_TOOLS, "stream": False}, "tools", "no attribute"),
    ("/api/chat", {"think": "low", "stream": False}, "think", "too low"),
])
def test_what_a_template_could_not_do_is_named(particular, path, body, named, why):
    response = particular.http.post(path, json={**({} if "input" in body else {"messages": MESSAGES}), **body})
    error = response.json()["error"]
    said = error if isinstance(error, str) else error["message"]
    assert response.status_code == 400 and said.startswith(f"{named}: ") and why in said, response.text
    assert isinstance(error, str) or error.get("param", named) == named


def test_so_it_is_over_grpc(particular, stubs):
    pb, services = stubs
    with grpc.insecure_channel(f"127.0.0.1:{particular.grpc_port}", options=[("grpc.enable_http_proxy", 0)]) as channel:
        stub = services.InferenceStub(channel)
        for fields, named in [
                (dict(tools=[pb.Tool(function=pb.Tool.Function(name="f"))]), "tools"), (dict(chat_template_kwargs='{"least": "x"}'), "chat_template_kwargs"),
                (dict(thinking=pb.ThinkingOptions(effort="low")), "thinking.effort"), (dict(messages=[pb.ChatMessage(role="user", content="bad")]), "messages")]:
            request = pb.ChatRequest(**{"messages": [pb.ChatMessage(role="user", content="a")], "max_tokens": 1, **fields})
            with pytest.raises(grpc.RpcError, match=named + ": ") as error:
                list(stub.Chat(request, timeout=PATIENCE_S))
            assert error.value.code() == grpc.StatusCode.INVALID_ARGUMENT
