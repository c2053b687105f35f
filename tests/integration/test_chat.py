"""/v1/chat/completions through the official client, and what its parameters do."""

import asyncio
import json

import openai
import pytest

from server import ROOT, Server, run

TEMPLATE = ROOT / "tests/integration/templates/chatml.jinja"
MODEL = "samba-classics-18m"
HELLO = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "It was a dark night"}]
HELLO_TEXT = ("<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nIt was a dark night<|im_end|>\n"
              "<|im_start|>assistant\n")


@pytest.fixture(scope="module")
def chat():
    with Server("--backend", "fake", "--chat-template", str(TEMPLATE)) as server:
        yield server


def ask(server, **body):
    body = {"messages": HELLO, "max_tokens": 16, **body}
    response = server.http.post("/v1/chat/completions", json=body)
    assert response.status_code == 200, response.text
    return response.json()


def prompt_ids(server, **body):
    return ask(server, return_token_ids=True, max_tokens=1, **body)["prompt_token_ids"]


def ids_of(server, text):
    """Of a text as it is: /v1/completions adds a start token, templates write their own."""
    return server.complete(prompt=text, return_token_ids=True, max_tokens=1)["choices"][0]["prompt_token_ids"][1:]


def test_the_answer(chat):
    answer = chat.openai().chat.completions.create(model=MODEL, messages=HELLO, max_completion_tokens=12)
    assert answer.id.startswith("chatcmpl-") and answer.object == "chat.completion" and answer.model == MODEL
    [choice] = answer.choices
    assert choice.message.role == "assistant" and choice.message.content and choice.message.refusal is None
    assert choice.finish_reason == "length" and choice.index == 0 and choice.logprobs is None
    assert answer.usage.completion_tokens == 12
    assert answer.usage.prompt_tokens == len(ids_of(chat, HELLO_TEXT))
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + 12


def test_the_prompt_is_the_templates_text_and_nothing_else(chat):
    assert prompt_ids(chat) == ids_of(chat, HELLO_TEXT)
    assert prompt_ids(chat, add_generation_prompt=False) == ids_of(chat, HELLO_TEXT.removesuffix("<|im_start|>assistant\n"))
    assert prompt_ids(chat, chat_template_kwargs={"shout": True}) == ids_of(chat, HELLO_TEXT + "LOUDLY ")
    parts = [HELLO[0], {"role": "user", "content": [{"type": "text", "text": "It was"},
                                                    {"type": "text", "text": "a dark night"}]}]
    assert prompt_ids(chat, messages=parts) == ids_of(chat, HELLO_TEXT.replace("It was a", "It was\na"))


def test_continuing_the_final_message(chat):
    messages = [*HELLO, {"role": "assistant", "content": "The rain fell"}]
    assert prompt_ids(chat, messages=messages, continue_final_message=True) == ids_of(chat, HELLO_TEXT + "The rain fell")
    response = chat.http.post("/v1/chat/completions", json={
        "messages": messages, "continue_final_message": True, "add_generation_prompt": True})
    assert response.status_code == 400 and response.json()["error"]["param"] == "continue_final_message"


@pytest.mark.parametrize("content", ["The rain\nfell", [{"type": "text", "text": "The rain"}, {"type": "text", "text": "fell"}]],
                         ids=["text", "parts"])
def test_echo(chat, content):
    """The answer begins with the final message, if that is the assistant's."""
    body = {"messages": [*HELLO, {"role": "assistant", "content": content}], "continue_final_message": True, "seed": 4}
    [plain] = ask(chat, **body)["choices"]
    [echoed, other] = ask(chat, **body, echo=True, n=2, logprobs=True)["choices"]
    assert echoed["message"]["content"] == "The rain\nfell" + plain["message"]["content"]
    assert other["message"]["content"].startswith("The rain\nfell") and len(echoed["logprobs"]["content"]) == 16
    chunks = chat.openai().chat.completions.create(model=MODEL, max_tokens=16, stream=True, extra_body={"echo": True, **body},
                                                   messages=body["messages"])
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == echoed["message"]["content"]
    assert ask(chat, echo=True, seed=4)["choices"] == ask(chat, seed=4)["choices"], "the user's is not the assistant's"


def test_what_is_told_of_the_prompt_stands_beside_the_choices(chat):
    """As vLLM has it."""
    answer = ask(chat, n=2, return_token_ids=True, prompt_logprobs=1)
    assert len(answer["prompt_logprobs"]) == len(answer["prompt_token_ids"]) == answer["usage"]["prompt_tokens"]
    for choice in answer["choices"]:
        assert len(choice["token_ids"]) == 16 and not {"prompt_token_ids", "prompt_logprobs"} & set(choice)
    body = {"messages": HELLO, "n": 2, "return_token_ids": True, "stream": True, "max_tokens": 3}
    lines = chat.http.post("/v1/chat/completions", json=body).text.split("\n\n")[:-2]
    first, *rest = (json.loads(line.removeprefix("data: ")) for line in lines)
    assert first["prompt_token_ids"] == answer["prompt_token_ids"]
    assert not any("prompt_token_ids" in chunk for chunk in rest)


def test_the_same_prompt_gives_the_same_text_as_a_completion(chat):
    ids = prompt_ids(chat)
    for parameters in ({"temperature": 0}, {"seed": 5}, {"seed": 5, "top_p": 0.5, "top_k": 7}):
        [choice] = ask(chat, **parameters)["choices"]
        assert choice["message"]["content"] == chat.complete(prompt=ids, **parameters)["choices"][0]["text"]


def test_n_and_seed(chat):
    client = chat.openai()
    first, again = (client.chat.completions.create(model=MODEL, messages=HELLO, n=3, seed=4, max_tokens=12) for _ in range(2))
    texts = [choice.message.content for choice in first.choices]
    assert len(set(texts)) == 3 and [choice.index for choice in first.choices] == [0, 1, 2]
    assert texts == [choice.message.content for choice in again.choices]
    mistral = ask(chat, n=3, random_seed=4, max_tokens=12)["choices"]
    assert texts == [choice["message"]["content"] for choice in mistral], "its name of seed"


def test_stop(chat):
    whole = ask(chat, temperature=0, max_tokens=32)["choices"][0]["message"]["content"]
    stop = whole[20:26]
    [choice] = chat.openai().chat.completions.create(model=MODEL, messages=HELLO, temperature=0, max_tokens=32,
                                                     stop=[stop]).choices
    assert choice.message.content == whole[:whole.index(stop)] and choice.finish_reason == "stop"
    [choice] = ask(chat, temperature=0, max_tokens=32, stop=stop, include_stop_str_in_output=True)["choices"]
    assert choice["message"]["content"] == whole[:whole.index(stop)] + stop


def test_without_max_tokens_there_is_room_for_all_that_fits():
    with Server("--backend", "fake", "--fake-step-time", "0", "--chat-template", str(TEMPLATE),
                "--max-total-tokens", "300") as server:
        answer = server.openai().chat.completions.create(model=MODEL, messages=HELLO, temperature=0,
                                                         extra_body={"ignore_eos": True})
        assert answer.usage.total_tokens == 300 and answer.choices[0].finish_reason == "length"
        response = server.http.post("/v1/chat/completions", json={"messages": [{"role": "user", "content": "a " * 400}]})
        error = response.json()["error"]
        assert (response.status_code, error["param"], error["code"]) == (400, "messages", "context_length_exceeded")
        response = server.http.post("/v1/chat/completions", json={"messages": HELLO, "max_completion_tokens": 299})
        assert response.json()["error"]["param"] == "max_completion_tokens"


def test_logprobs(chat):
    [choice] = chat.openai().chat.completions.create(model=MODEL, messages=HELLO, temperature=0, max_tokens=6,
                                                     logprobs=True, top_logprobs=3).choices
    entries = choice.logprobs.content
    assert len(entries) == 6 and b"".join(bytes(entry.bytes) for entry in entries).decode() == choice.message.content
    for entry in entries:
        assert entry.logprob < 0 and len(entry.top_logprobs) == 3
        assert [top.logprob for top in entry.top_logprobs] == sorted((top.logprob for top in entry.top_logprobs), reverse=True)
        assert entry.top_logprobs[0].token == entry.token, "the most likely token was chosen"
        assert entry.top_logprobs[0].logprob == entry.logprob > entry.top_logprobs[1].logprob
    [choice] = ask(chat, logprobs=True)["choices"]
    assert all(entry["top_logprobs"] == [] for entry in choice["logprobs"]["content"])


def test_a_stream_says_what_the_whole_answer_says(chat):
    client = chat.openai()
    request = {"model": MODEL, "messages": HELLO, "n": 2, "seed": 9, "max_tokens": 24, "logprobs": True, "top_logprobs": 2}
    whole = client.chat.completions.create(**request)
    roles, texts, finishes, logprobs, usage = {}, ["", ""], {}, [[], []], None
    for chunk in client.chat.completions.create(**request, stream=True, stream_options={"include_usage": True}):
        assert chunk.object == "chat.completion.chunk" and usage is None
        for choice in chunk.choices:
            assert choice.index not in finishes, "nothing follows a finish reason"
            if choice.delta.role:
                assert choice.index not in roles and texts[choice.index] == ""
                roles[choice.index] = choice.delta.role
            texts[choice.index] += choice.delta.content or ""
            logprobs[choice.index] += choice.logprobs.content if choice.logprobs else []
            if choice.finish_reason:
                finishes[choice.index] = choice.finish_reason
        usage = chunk.usage
    assert roles == {0: "assistant", 1: "assistant"} and finishes == {0: "length", 1: "length"}
    assert texts == [choice.message.content for choice in whole.choices]
    assert logprobs == [choice.logprobs.content for choice in whole.choices]
    assert usage == whole.usage and usage.completion_tokens == 48


def test_the_bytes_of_a_stream(chat):
    body = {"messages": HELLO, "stream": True, "max_tokens": 3, "seed": 1, "stream_options": {"include_usage": True}}
    events = chat.http.post("/v1/chat/completions", json=body).text.split("\n\n")
    assert events[-2:] == ["data: [DONE]", ""]
    chunks = [json.loads(event.removeprefix("data: ")) for event in events[:-2]]
    first, last, usage = chunks[0], chunks[-2], chunks[-1]
    assert first["choices"][0]["delta"] == {"role": "assistant", "content": "", "refusal": None}
    for chunk in chunks[1:-2]:
        assert list(chunk["choices"][0]["delta"]) == ["content"] and chunk["choices"][0]["finish_reason"] is None
    assert last["choices"][0]["delta"] == {} and last["choices"][0]["finish_reason"] == "length"
    assert usage["choices"] == [] and usage["usage"]["completion_tokens"] == 3
    assert all(chunk["usage"] is None for chunk in chunks[:-1])
    assert len({chunk["id"] for chunk in chunks}) == 1 and all(chunk["model"] == MODEL for chunk in chunks)
    plain = chat.http.post("/v1/chat/completions", json={**body, "stream_options": None}).text.split("\n\n")
    assert all("usage" not in json.loads(event.removeprefix("data: ")) for event in plain[:-2])


def test_the_bytes_of_a_stream_are_openais(chat):
    """Members in their order, no blanks, one line an event: some clients read them with less than a JSON parser.

    One token: of two, a busy server may send both in one event."""
    body = {"messages": HELLO, "max_tokens": 1, "seed": 1, "return_token_ids": True}
    [token] = ask(chat, **body)["choices"][0]["token_ids"]
    piece = chat.http.post("/detokenize", json={"tokens": [token]}).json()["prompt"]
    body = {"messages": HELLO, "max_tokens": 1, "seed": 1, "stream": True, "stream_options": {"include_usage": True}}
    response = chat.http.post("/v1/chat/completions", json=body, headers={"x-request-id": "same"})
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert response.headers["cache-control"] == "no-cache"
    first = json.loads(response.text.split("\n")[0].removeprefix("data: "))
    created, fingerprint = first["created"], first["system_fingerprint"]
    deltas = ['{"role":"assistant","content":"","refusal":null}', f'{{"content":{json.dumps(piece)}}}', "{}"]
    head = f'data: {{"id":"chatcmpl-same","object":"chat.completion.chunk","created":{created},"model":"{MODEL}",'
    head += f'"system_fingerprint":"{fingerprint}",'
    head += '"choices":['
    expected = []
    for delta, finish in zip(deltas, ["null", "null", '"length"']):
        expected.append(f'{head}{{"index":0,"delta":{delta},"logprobs":null,"finish_reason":{finish},"stop_reason":null}}],'
                        '"usage":null}')
    prompt = len(ids_of(chat, HELLO_TEXT))
    expected.append(f'{head}],"usage":{{"prompt_tokens":{prompt},"completion_tokens":1,"total_tokens":{prompt + 1},'
                    '"prompt_tokens_details":{"cached_tokens":0,"cache_write_tokens":0}}}')
    assert response.text == "\n\n".join([*expected, "data: [DONE]", ""])


def test_the_clients_own_reader_of_streams(chat):
    """openai's helper holds every chunk to the API's types and to the order of things."""
    request = {"model": MODEL, "messages": HELLO, "max_tokens": 40, "seed": 1, "stop": ["e"], "logprobs": True}
    with chat.openai().chat.completions.stream(**request, top_logprobs=2, stream_options={"include_usage": True}) as stream:
        kinds = [event.type for event in stream]
        answer = stream.get_final_completion()
    assert kinds.count("content.done") == 1 and "logprobs.content.delta" in kinds
    [choice] = answer.choices
    assert choice.finish_reason == "stop" and answer.usage.completion_tokens == len(choice.logprobs.content)


def test_roles_reach_the_template_by_name(chat):
    said = [{"role": role, "content": role.upper()} for role in ("system", "developer", "user", "assistant", "user")]
    text = "".join(f"<|im_start|>{m['role']}\n{m['content']}<|im_end|>\n" for m in said) + "<|im_start|>assistant\n"
    assert prompt_ids(chat, messages=said) == ids_of(chat, text)


def test_twenty_alternatives_are_the_most(chat):
    [choice] = ask(chat, max_tokens=2, logprobs=True, top_logprobs=20)["choices"]
    for entry in choice["logprobs"]["content"]:
        assert len({top["token"] for top in entry["top_logprobs"]}) == 20
        assert all(bytes(top["bytes"]).decode(errors="replace") for top in entry["top_logprobs"])


# Each changes what the embedded model says, and just as it does for a completion of the same ids.
CONTROLS = [
    {"top_k": 2, "seed": 1}, {"top_p": 0.2, "seed": 1}, {"min_p": 0.5, "seed": 1}, {"seed": 2},
    {"temperature": 2, "seed": 1}, {"presence_penalty": 2}, {"frequency_penalty": 2}, {"repetition_penalty": 2}, {"logit_bias": {"300": 100}},
    {"allowed_token_ids": [300, 301]}, {"stop_token_ids": [263]}, {"truncate_prompt_tokens": 3},
    {"logit_bias": {"0": 100}}, {"logit_bias": {"0": 100}, "ignore_eos": True, "skip_special_tokens": False},
    {"stop": ["cabin"]}, {"stop": ["cabin"], "include_stop_str_in_output": True}, {"stop": ["cabin"], "min_tokens": 5},
]


@pytest.fixture(scope="module")
def cpu():
    with Server("--backend", "cpu", "--max-sequences", "4") as server:
        ids = prompt_ids(server)
        server.plain = {seed: said(server, ids, {"seed": seed} if seed else {}) for seed in (None, 1)}
        server.prompt_ids = ids
        yield server


def said(server, ids, control):
    """By a completion of `ids`: text, generated ids and why it ended."""
    [choice] = server.complete(prompt=ids, max_tokens=16, return_token_ids=True, **defaults(control))["choices"]
    return choice["text"], choice["token_ids"], choice["finish_reason"]


def defaults(control):
    return control if "seed" in control else {"temperature": 0, **control}


@pytest.mark.parametrize("control", CONTROLS, ids=str)
def test_parameters_do_what_they_do_for_completions(cpu, control):
    [choice] = ask(cpu, return_token_ids=True, **defaults(control))["choices"]
    got = choice["message"]["content"], choice["token_ids"], choice["finish_reason"]
    assert got == said(cpu, cpu.prompt_ids, control)
    assert got != cpu.plain[1 if "seed" in control else None]


def test_bad_words_do_not_come(cpu):
    word = next(word for word in cpu.plain[None][0].split() if word.isalpha())
    [choice] = ask(cpu, temperature=0, bad_words=[word])["choices"]
    assert word not in choice["message"]["content"].split()


def test_prompt_logprobs_are_the_completions(cpu):
    answer = ask(cpu, max_tokens=1, prompt_logprobs=1)
    [expected] = cpu.complete(prompt=cpu.prompt_ids, max_tokens=1, prompt_logprobs=1)["choices"]
    assert answer["prompt_logprobs"] == expected["prompt_logprobs"]
    assert len(answer["prompt_logprobs"]) == len(cpu.prompt_ids)


def test_async_streams_do_not_mix(chat):
    async def stream(client, seed):
        text = ""
        async for chunk in await client.chat.completions.create(model=MODEL, messages=HELLO, seed=seed, max_tokens=40,
                                                                stream=True):
            text += chunk.choices[0].delta.content or ""
        return text

    async def everything():
        async with chat.async_openai() as client:
            return await asyncio.gather(*(stream(client, seed % 8) for seed in range(32)))

    texts = asyncio.run(everything())
    for seed in range(8):
        assert {texts[i] for i in range(seed, 32, 8)} == {
            ask(chat, seed=seed, max_tokens=40)["choices"][0]["message"]["content"]}
    assert len(set(texts)) == 8


USER = {"role": "user", "content": "a"}
TABLE = [
    # body, the parameter that the error names, a part of its message
    ({}, "messages", "missing"),
    ({"messages": []}, "messages", "empty"),
    ({"messages": "hi"}, "messages", "list of messages"),
    ({"messages": ["hi"]}, "messages[0]", "an object"),
    ({"messages": [{"content": "a"}]}, "messages[0].role", "missing"),
    ({"messages": [{"role": "boss", "content": "a"}]}, "messages[0].role", "one of system"),
    ({"messages": [USER, {"role": "user"}]}, "messages[1].content", "missing"),
    ({"messages": [{"role": "user", "content": 7}]}, "messages[0].content", "string or a list"),
    ({"messages": [{"role": "user", "content": [7]}]}, "messages[0].content[0]", "an object"),
    ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
     "messages[0].content[0].type", "no images"),
    ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0].text", "string"),
    ({"messages": [USER], "max_tokens": 0}, "max_tokens", "1 to 1048576"),
    ({"messages": [USER], "max_tokens": 3, "max_completion_tokens": 4}, "max_tokens", "give one"),
    ({"messages": [USER], "max_completion_tokens": -2}, "max_completion_tokens", "-2"),
    ({"messages": [USER], "logprobs": 3}, "logprobs", "true or false"),
    ({"messages": [USER], "top_logprobs": 3}, "top_logprobs", "logprobs"),
    ({"messages": [USER], "logprobs": True, "top_logprobs": 21}, "top_logprobs", "0 to 20"),
    ({"messages": [USER], "n": 17}, "n", "1 to 16"),
    ({"messages": [USER], "temperature": 3}, "temperature", "at most 2"),
    ({"messages": [USER], "chat_template_kwargs": 3}, "chat_template_kwargs", "an object"),
    ({"messages": [USER], "chat_template_kwargs": {"messages": []}}, "chat_template_kwargs.messages", "variable"),
    ({"messages": [USER], "chat_template_kwargs": {"add_generation_prompt": 1}}, "chat_template_kwargs.add_generation_prompt", "variable"),
    *[({"messages": [USER, {"role": "assistant", "content": None, "tool_calls": calls}]}, f"messages[1].tool_calls{where}", why)
      for calls, where, why in [
          (5, "", "a list"), ([None], "[0]", "an object"), ([{"function": {"name": "f"}}, "x"], "[1]", "an object"),
          ([{}], "[0].function", "an object"), ([{"function": {}}], "[0].function.name", "missing"),
          ([{"function": {"name": ""}}], "[0].function.name", "missing"),
          ([{"function": {"name": 7}}], "[0].function.name", "a string"),
          ([{"function": {"name": "f", "arguments": 8}}], "[0].function.arguments", "a string or an object"),
          ([{"id": 5, "function": {"name": "f"}}], "[0].id", "a string"),
          ([{"type": [], "function": {"name": "f"}}], "[0].type", "a string"),
          ([{"type": "custom", "function": {"name": "f"}}], "[0].type", "function")]],
    ({"messages": [{**USER, "tool_calls": [{"function": {"name": "f"}}]}]}, "messages[0].tool_calls", "assistant's"),
    ({"messages": [{**USER, "tool_call_id": "c1"}]}, "messages[0].tool_call_id", "role tool"),
    ({"messages": [{"role": "user", "content": None}]}, "messages[0].content", "is null"),
    ({"messages": [{"role": "user"}]}, "messages[0].content", "is missing"),
    ({"messages": [{"role": "user", "content": [{"type": "text", "text": None}]}]}, "messages[0].content[0].text", "not null"),
    ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0].text", "not absent"),
    ({"messages": [USER], "metadata": 5}, "metadata", "an object"),
    ({"messages": [USER], "safety_identifier": 5}, "safety_identifier", "a string"),
    ({"messages": [USER], "functions": [{"name": "a"}]}, "functions", "not supported"),
    ({"messages": [USER], "tool_choice": "required"}, "tool_choice", "no tools"),
    ({"messages": [USER], "stop_regex": "x"}, "stop_regex", "not supported"),
    ({"messages": [USER], "modalities": ["text", "audio"]}, "modalities", "not supported"),
    ({"messages": [USER], "audio": {"voice": "x"}}, "audio", "not supported"),
    ({"messages": [USER], "store": 1}, "store", "not supported"),
    ({"messages": [USER], "reasoning_effort": "some"}, "reasoning_effort", "one of"),
    ({"messages": [USER], "web_search_options": {}}, "web_search_options", "not supported"),
    ({"messages": [USER], "chat_template": "{{ x }}"}, "chat_template", "not supported"),
    ({"messages": [USER], "echo": "yes"}, "echo", "true or false"),
]


@pytest.mark.parametrize("body, param, message", TABLE, ids=lambda value: str(value)[:40])
def test_bad_value(chat, body, param, message):
    response = chat.http.post("/v1/chat/completions", json=body)
    error = response.json()["error"]
    assert response.status_code == 400, error
    assert error["param"] == param and message in error["message"] and error["code"]
    assert error["type"] == "invalid_request_error"


def test_harmless_values(chat):
    ask(chat, tools=[], tool_choice="none", response_format={"type": "text"}, modalities=["text"], store=True, user="me",
        service_tier="auto", parallel_tool_calls=True, logit_bias={}, frequency_penalty=0, metadata=None, top_logprobs=0)


def test_an_answer_can_be_sent_back_as_it_came(chat):
    """As message.model_dump() has it, with all that the client's model knows of, and what other programs add."""
    client = chat.openai()
    message = client.chat.completions.create(model=MODEL, messages=HELLO, max_tokens=4).choices[0].message.model_dump()
    assert {"refusal", "annotations", "audio", "function_call", "tool_calls"} <= message.keys()
    usual = prompt_ids(chat, messages=[*HELLO, {"role": "assistant", "content": message["content"]}, USER])
    for more in ({}, {"id": "msg_1", "provider_specific_fields": {"a": None}, "reasoning_details": []}):
        assert prompt_ids(chat, messages=[*HELLO, {**message, **more}, {**USER, "id": "msg_2", "name": None}]) == usual
    # What a call was cut off in is no JSON, and is the client's to send back.
    call = {"id": "c1", "type": "function", "index": 0, "function": {"name": "f", "arguments": "{"}}
    assert prompt_ids(chat, messages=[*HELLO, {"role": "assistant", "content": "a", "tool_calls": [call]}, {**USER, "tool_calls": [], "tool_call_id": None}])
    assert prompt_ids(chat, messages=[{**USER, "content": [{"type": "text", "text": "a",
                                                           "cache_control": {"type": "ephemeral"}}]}]) == prompt_ids(
        chat, messages=[USER])


def test_without_a_template_the_error_says_how_to_give_one(bare_model):
    with Server("--backend", "fake", "--model", str(bare_model)) as server:
        with pytest.raises(openai.BadRequestError) as error:
            server.openai().chat.completions.create(model="bare", messages=HELLO)
        assert error.value.code == "no_chat_template" and error.value.param == "messages"
        assert "--chat-template" in error.value.message and "/v1/completions" in error.value.message
        response = server.http.post("/tokenize", json={"messages": HELLO})
        assert response.status_code == 400 and response.json()["error"]["code"] == "no_chat_template"
        assert server.complete(prompt="a")["choices"]


def test_the_models_own_template(fast):
    """The embedded model's is ChatML behind its start token."""
    [start] = fast.http.post("/tokenize", json={"prompt": ""}).json()["tokens"]
    assert prompt_ids(fast) == [start, *prompt_ids_by_chatml(fast)]


def prompt_ids_by_chatml(server):
    return server.http.post("/tokenize", json={"prompt": HELLO_TEXT, "add_special_tokens": False}).json()["tokens"]


@pytest.mark.parametrize("source, message", [
    ("{% for x in %}", "template.jinja"), ("{% include 'x' %}", "include"),
], ids=str)
def test_a_wrong_template_is_one_sentence_at_start(tmp_path, source, message):
    path = tmp_path / "template.jinja"
    path.write_text(source)
    ended = run("serve", "--backend", "fake", "--port", "0", "--grpc-port", "0", "--chat-template", str(path))
    assert ended.returncode in (1, 2)
    [line] = ended.stderr.splitlines()
    assert message in line and "template.jinja: line 1, column" in line


def test_a_template_without_messages_is_warned_of(tmp_path, chat):
    other = tmp_path / "t.jinja"
    other.write_text("root:x:0:0:root:/root:/bin/bash\n")
    with Server("--backend", "fake", "--chat-template", str(other)) as server:
        assert f"--chat-template {other}: it does not show what a user says" in server.log()
    assert "does not show" not in chat.log()


def test_a_missing_template_is_one_sentence():
    ended = run("serve", "--backend", "fake", "--port", "0", "--grpc-port", "0", "--chat-template", "no/such.jinja")
    assert ended.returncode in (1, 2) and "no/such.jinja" in ended.stderr
