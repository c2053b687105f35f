"""What answers look like and what parameters do, through the official client."""

import asyncio
import json
import re

import openai
import pytest

from server import Server, wait_until

PROMPT = "It was a dark and stormy night"


def test_models(fast):
    client = fast.openai()
    models = client.models.list().data
    assert [model.id for model in models] == ["samba-classics-18m"]
    assert client.models.retrieve("samba-classics-18m").object == "model"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt-4")


def test_one_prompt(fast):
    answer = fast.openai().completions.create(model="samba-classics-18m", prompt=PROMPT)
    assert answer.id.startswith("cmpl-") and answer.object == "text_completion"
    assert answer.model == "samba-classics-18m"
    [choice] = answer.choices
    assert choice.finish_reason == "length" and choice.index == 0 and choice.text and choice.logprobs is None
    assert answer.usage.completion_tokens == 16
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + 16


def test_prompts_of_every_form_give_the_same_text(fast):
    one = fast.complete(prompt=PROMPT, temperature=0, return_token_ids=True)["choices"][0]
    ids = one["prompt_token_ids"]
    assert len(one["token_ids"]) == 16
    answer = fast.complete(prompt=[PROMPT, ids, "Other"], temperature=0)
    assert [choice["index"] for choice in answer["choices"]] == [0, 1, 2]
    texts = [choice["text"] for choice in answer["choices"]]
    assert texts[0] == texts[1] == one["text"] != texts[2]
    assert fast.complete(prompt=ids, temperature=0)["choices"][0]["text"] == one["text"]
    both = fast.complete(prompt=[ids, ids[:2]], temperature=0)
    assert both["choices"][0]["text"] == one["text"]
    assert both["usage"]["prompt_tokens"] == len(ids) + 2


def test_n_choices_differ_and_the_seed_repeats_them(fast):
    client = fast.openai()
    ask = {"model": "samba-classics-18m", "prompt": PROMPT, "n": 4, "seed": 7}
    first = [choice.text for choice in client.completions.create(**ask).choices]
    assert len(set(first)) == 4
    assert [choice.text for choice in client.completions.create(**ask).choices] == first
    alone = client.completions.create(**{**ask, "n": 1})
    assert alone.choices[0].text == first[0]
    other = client.completions.create(**{**ask, "seed": 8})
    assert other.choices[0].text != first[0]


def test_n_counts_the_prompt_once(fast):
    one = fast.complete(prompt=PROMPT)["usage"]
    four = fast.complete(prompt=PROMPT, n=4)["usage"]
    assert four["prompt_tokens"] == one["prompt_tokens"]
    assert four["completion_tokens"] == 4 * one["completion_tokens"]


def test_without_a_seed_texts_differ(fast):
    assert len({fast.complete(prompt=PROMPT)["choices"][0]["text"] for _ in range(4)}) == 4


def test_stop_string_ends_the_text_before_it(fast):
    whole = fast.complete(prompt=PROMPT, temperature=0, max_tokens=32)["choices"][0]["text"]
    stop = whole[20:26]
    cut = whole.index(stop)
    for ask in (stop, ["not in there", stop]):
        [choice] = fast.complete(prompt=PROMPT, temperature=0, max_tokens=32, stop=ask)["choices"]
        assert choice["text"] == whole[:cut]
        assert (choice["finish_reason"], choice["stop_reason"]) == ("stop", stop)


def test_stop_token_ids(fast):
    ids = fast.complete(prompt=PROMPT, temperature=0, return_token_ids=True)["choices"][0]["token_ids"]
    [choice] = fast.complete(prompt=PROMPT, temperature=0, stop_token_ids=[ids[5]], return_token_ids=True)["choices"]
    assert (choice["finish_reason"], choice["stop_reason"]) == ("stop", ids[5])
    assert choice["token_ids"] == ids[:6]


def test_logprobs(fast):
    [choice] = fast.openai().completions.create(model="", prompt=PROMPT, logprobs=3, temperature=0, max_tokens=5).choices
    logprobs = choice.logprobs
    assert len(logprobs.tokens) == len(logprobs.token_logprobs) == len(logprobs.top_logprobs) == len(logprobs.text_offset) == 5
    assert "".join(logprobs.tokens) == choice.text
    for token, offset in zip(logprobs.tokens, logprobs.text_offset):
        assert choice.text[offset:].startswith(token)
    for token, logprob, top in zip(logprobs.tokens, logprobs.token_logprobs, logprobs.top_logprobs):
        assert logprob < 0 and top[token] == pytest.approx(logprob)
    assert fast.complete(prompt=PROMPT, logprobs=0)["choices"][0]["logprobs"]["tokens"]


def test_offsets_count_special_tokens_that_show():
    shown = {"max_tokens": 3, "temperature": 0, "ignore_eos": True, "logit_bias": {"0": 100}, "logprobs": 0,
             "skip_special_tokens": False}
    with Server("--backend", "cpu") as server:
        def check(**body):
            [choice] = server.complete(**shown | body)["choices"]
            logprobs = choice["logprobs"]
            return choice["text"], list(zip(logprobs["tokens"], logprobs["text_offset"]))

        text, offsets = check(prompt="Hi")
        assert [offset for _, offset in offsets] == [0, 13, 26]
        assert all(text[offset:].startswith(token) for token, offset in offsets)
        assert [offset for _, offset in check(prompt="Hi", skip_special_tokens=True)[1]] == [0, 0, 0]
        # An echoed text has no start token, and shows what else stands in it; echoed ids show as they are told to.
        text, [start, *rest] = check(prompt="Hi<|endoftext|>you", echo=True)
        assert text.startswith("Hi<|endoftext|>you") and start == ("<|endoftext|>", 0) and rest[0][1] == 0
        assert all(text[offset:].startswith(token) for token, offset in rest) and len(rest) > 5
        text, offsets = check(prompt=[0, 70, 0], echo=True)
        assert all(text[offset:].startswith(token) for token, offset in offsets) and offsets[1][1] == 13
        assert [offset for _, offset in check(prompt=[0, 70, 0], echo=True, skip_special_tokens=True)[1]] == [0, 0, 1, 1, 1, 1]


def test_scoring_a_prompt(fast):
    """What evaluation harnesses do: echo, logprobs, and nothing generated."""
    [choice] = fast.openai().completions.create(model="", prompt=PROMPT, echo=True, logprobs=1, max_tokens=0).choices
    assert choice.text == PROMPT and choice.finish_reason == "length"
    assert choice.logprobs.token_logprobs[0] is None
    assert all(logprob < 0 for logprob in choice.logprobs.token_logprobs[1:])
    assert len(choice.logprobs.tokens) == len(choice.logprobs.top_logprobs) > 3


def test_echo(fast):
    plain = fast.complete(prompt=PROMPT, temperature=0)["choices"][0]["text"]
    assert fast.complete(prompt=PROMPT, temperature=0, echo=True)["choices"][0]["text"] == PROMPT + plain


@pytest.mark.parametrize("form", ["text", "ids", "text, streamed", "ids, streamed"])
def test_echo_of_every_form(fast, form):
    ids = fast.http.post("/tokenize", json={"prompt": PROMPT}).json()["tokens"]
    body = {"prompt": ids if "ids" in form else PROMPT, "seed": 2, "n": 2, "max_tokens": 5}
    plain = [choice["text"] for choice in fast.complete(**body)["choices"]]
    if "streamed" in form:
        texts = [""] * 2
        for chunk in fast.openai().completions.create(model="", **body, echo=True, stream=True):
            texts[chunk.choices[0].index] += chunk.choices[0].text
    else:
        texts = [choice["text"] for choice in fast.complete(**body, echo=True)["choices"]]
    assert texts == [PROMPT + text for text in plain], "the start token has no text"


def test_scoring_goes_on_into_what_is_generated(fast):
    """As harnesses read it: one list for the prompt and what follows it, for each of several prompts, streamed or not."""
    ids = fast.http.post("/tokenize", json={"prompt": PROMPT}).json()["tokens"]
    body = {"prompt": [ids, ids[:3]], "echo": True, "logprobs": 1, "max_tokens": 2, "temperature": 0}
    whole = fast.complete(**body)["choices"]
    for choice, prompt in zip(whole, body["prompt"]):
        scores = choice["logprobs"]
        assert len(scores["tokens"]) == len(prompt) + 2 and scores["token_logprobs"].count(None) == 1
        for text, offset in zip(scores["tokens"][1:], scores["text_offset"][1:]):
            assert choice["text"][offset:].startswith(text)
    streamed = [{"tokens": [], "token_logprobs": [], "top_logprobs": [], "text_offset": []} for _ in whole]
    for event in fast.http.post("/v1/completions", json={**body, "stream": True}).text.split("\n\n")[:-2]:
        [choice] = json.loads(event.removeprefix("data: "))["choices"]
        for name, values in (choice["logprobs"] or {}).items():
            streamed[choice["index"]][name] += values
    assert streamed == [choice["logprobs"] for choice in whole]
    nothing = fast.http.post("/v1/completions", json={**body, "max_tokens": 0, "stream": True}).text.split("\n\n")
    reasons = [json.loads(event.removeprefix("data: "))["choices"][0]["finish_reason"] for event in nothing[:-2]]
    assert reasons.count("length") == 2 and nothing[-2] == "data: [DONE]"


def test_a_stop_string_that_ends_within_a_token(fast):
    """Its tokens are counted and scored as generated; its text is not there, whole or in part."""
    body = {"prompt": PROMPT, "temperature": 0, "max_tokens": 12, "logprobs": 0, "return_token_ids": True}
    [whole] = fast.complete(**body)["choices"]
    tokens = whole["logprobs"]["tokens"]
    stop = tokens[4][-1] + tokens[5][:2]
    cut = whole["text"].index(stop)
    [choice] = fast.complete(**body, stop=stop)["choices"]
    assert choice["text"] == whole["text"][:cut] and choice["stop_reason"] == stop
    assert choice["logprobs"]["tokens"] == tokens[:len(choice["token_ids"])] == tokens[:6]
    chunks = fast.openai().completions.create(model="", prompt=PROMPT, temperature=0, max_tokens=12, stop=stop, stream=True)
    assert "".join(chunk.choices[0].text for chunk in chunks) == choice["text"]


def test_nobody_and_nothing(fast):
    """An empty prompt is the model's start token; a lone end token is an empty text."""
    empty = fast.complete(prompt="", temperature=0, return_token_ids=True)
    assert empty["usage"]["prompt_tokens"] == 1 and empty["usage"]["completion_tokens"] == 16
    assert empty["choices"][0]["text"] == fast.complete(prompt=[0], temperature=0)["choices"][0]["text"]
    assert fast.complete(prompt=PROMPT, seed=1, user="me") | {"id": 0, "created": 0} == (
        fast.complete(prompt=PROMPT, seed=1, user="you") | {"id": 0, "created": 0})


def test_prompt_logprobs(fast):
    [choice] = fast.complete(prompt=PROMPT, prompt_logprobs=2, return_token_ids=True)["choices"]
    scores = choice["prompt_logprobs"]
    assert scores[0] is None and len(scores) == len(choice["prompt_token_ids"])
    for token, score in zip(choice["prompt_token_ids"][1:], scores[1:]):
        assert score[str(token)]["logprob"] < 0 and score[str(token)]["rank"] >= 1


def test_streaming_says_the_same_and_counts(fast):
    client = fast.openai()
    ask = {"model": "", "prompt": [PROMPT, "Other"], "n": 2, "seed": 3, "max_tokens": 40}
    whole = client.completions.create(**ask)
    texts, finishes, usage = [""] * 4, {}, None
    for chunk in client.completions.create(**ask, stream=True, stream_options={"include_usage": True}):
        assert chunk.object == "text_completion" and usage is None
        for choice in chunk.choices:
            assert choice.index not in finishes, "nothing follows a finish reason"
            texts[choice.index] += choice.text
            if choice.finish_reason:
                finishes[choice.index] = choice.finish_reason
        usage = chunk.usage
    assert texts == [choice.text for choice in whole.choices]
    assert finishes == {index: "length" for index in range(4)}
    assert usage == whole.usage


def test_the_bytes_of_a_stream(fast):
    body = {"prompt": PROMPT, "stream": True, "max_tokens": 3, "return_token_ids": True}
    with fast.http.stream("POST", "/v1/completions", json=body) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        events = response.read().decode().split("\n\n")
    assert events[-1] == "" and events[-2] == "data: [DONE]"
    assert re.fullmatch(r'data: {"id":"cmpl-[0-9a-f]{32}","object":"text_completion","created":\d+,'
                        r'"model":"samba-classics-18m","system_fingerprint":"fp_[0-9a-f]{16}",'
                        r'"choices":\[{"index":0,"text":".*","logprobs":null,"finish_reason":null,"stop_reason":null,'
                        r'"token_ids":\[.*\],"prompt_token_ids":\[.*\]}\]}', events[0])
    chunks = [json.loads(event.removeprefix("data: ")) for event in events[:-2]]
    assert sum(len(chunk["choices"][0]["token_ids"]) for chunk in chunks) == 3
    assert "prompt_token_ids" in chunks[0]["choices"][0] and "prompt_token_ids" not in chunks[-1]["choices"][0]
    assert all("usage" not in chunk for chunk in chunks)


def test_many_streams_at_once_do_not_mix(fast):
    async def stream(client, seed):
        text = ""
        async for chunk in await client.completions.create(model="", prompt=PROMPT, seed=seed, max_tokens=60, stream=True):
            text += chunk.choices[0].text
        return text

    async def everything():
        async with fast.async_openai() as client:
            return await asyncio.gather(*(stream(client, i % 16) for i in range(64)))

    texts = asyncio.run(everything())
    for seed in range(16):
        assert {texts[i] for i in range(seed, 64, 16)} == {
            fast.complete(prompt=PROMPT, seed=seed, max_tokens=60)["choices"][0]["text"]}
    assert len(set(texts)) == 16
    fast.wait_until_free()


def test_unknown_model(fast):
    with pytest.raises(openai.NotFoundError) as error:
        fast.openai().completions.create(model="gpt-4", prompt="a")
    assert error.value.code == "model_not_found" and "samba-classics-18m" in error.value.message


def test_request_id(fast):
    response = fast.http.post("/v1/completions", json={"prompt": "a"}, headers={"x-request-id": "mine-1"})
    assert response.headers["x-request-id"] == "mine-1" and response.json()["id"] == "cmpl-mine-1"
    # The line is written when the answer is on its way, and may be read a little later.
    wait_until(lambda: '"id":"mine-1","api":"completions"' in fast.log(), "the request's line in the log")


def test_other_pages(fast):
    assert fast.http.get("/version").json()["version"]
    assert "POST /v1/completions" in fast.http.get("/").json()["endpoints"]
    for path in ("/health", "/health/live", "/health/ready"):
        assert fast.http.get(path).status_code == 200
    missing = fast.http.get("/v1/nothing")
    assert missing.status_code == 404 and missing.json()["error"]["type"] == "invalid_request_error"
    wrong = fast.http.get("/v1/completions")
    assert wrong.status_code == 405 and wrong.headers["allow"] == "POST"


def test_metrics(fast):
    fast.complete(prompt=PROMPT, max_tokens=9)
    text = fast.http.get("/metrics").text
    before = fast.metrics()
    families = {line.split()[2] for line in text.splitlines() if line.startswith("# HELP")}
    assert all(name.startswith(("batucada_", "process_")) for name in families)
    assert families == {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}
    fast.complete(prompt=PROMPT, max_tokens=9)
    for path in range(20):
        fast.http.get(f"/nothing/{path}")
    after = fast.metrics()
    assert after["batucada_generation_tokens_total"] == before["batucada_generation_tokens_total"] + 9
    finished = 'batucada_requests_finished_total{reason="length"}'
    assert after[finished] == before[finished] + 1
    answered = 'batucada_http_responses_total{endpoint="completions",status="200"}'
    list(fast.openai().completions.create(model="", prompt=PROMPT, max_tokens=2, stream=True))
    assert fast.metric(answered) == after[answered] + 1
    assert after["batucada_time_to_first_token_seconds_count"] == before["batucada_time_to_first_token_seconds_count"] + 1
    assert not any("nothing" in name for name in after), "a path that a client made up is no label"
