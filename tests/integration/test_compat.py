"""TGI's, llama.cpp's and Ollama's ways to ask draw the tokens that /v1/completions draws, in the shapes of their servers."""

import json

import pytest

from server import MODEL, six_tokens

PROMPT = "It was a"
MESSAGES = [{"role": "user", "content": "Call me"}]


def chat(server, messages=MESSAGES, **more):
    body = {"messages": messages, "max_tokens": 6, "temperature": 0, **more}
    return server.http.post("/v1/chat/completions", json=body).json()["choices"][0]["message"]["content"]


def events(response):
    assert response.status_code == 200, response.text
    return [json.loads(line[6:]) for line in response.text.splitlines() if line.startswith("data: ")]


def lines(response):
    assert response.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in response.text.splitlines()]


# --- TGI

def test_tgi_generate(strict):
    wanted = six_tokens(strict)
    body = {"inputs": PROMPT, "parameters": {"max_new_tokens": 6, "details": True, "watermark": False, "best_of": None}}
    told = strict.http.post("/generate", json=body).json()
    assert told["generated_text"] == wanted["text"]
    assert [token["id"] for token in told["details"]["tokens"]] == wanted["token_ids"]
    assert (told["details"]["finish_reason"], told["details"]["generated_tokens"]) == ("length", 6)
    assert told["details"]["seed"] is None, "nothing was drawn"
    listed = strict.http.post("/", json={**body, "stream": False}).json()
    assert [one["generated_text"] for one in listed] == [wanted["text"]]


def test_tgi_draws_when_asked_to(strict):
    drawn = six_tokens(strict, temperature=0.9, seed=5, top_p=1)
    body = {"inputs": PROMPT, "parameters": {"max_new_tokens": 6, "do_sample": True, "temperature": 0.9, "seed": 5}}
    assert strict.http.post("/generate", json=body).json()["generated_text"] == drawn["text"]
    # Without do_sample, who gives top_k or top_p wants to draw too.
    for filters in ({"top_k": 50}, {"top_p": 0.95}):
        drawn = six_tokens(strict, temperature=1, seed=5, **{"top_k": 0, "top_p": 1, **filters})
        body = {"inputs": PROMPT, "parameters": {"max_new_tokens": 6, "seed": 5, **filters}}
        assert strict.http.post("/generate", json=body).json()["generated_text"] == drawn["text"] != six_tokens(strict)["text"]


@pytest.mark.parametrize(("path", "more"), [("/generate_stream", {}), ("/", {"stream": True})])
def test_tgi_stream(strict, path, more):
    wanted = six_tokens(strict)
    told = events(strict.http.post(path, json={"inputs": PROMPT, "parameters": {"max_new_tokens": 6}, **more}))
    assert [event["token"]["id"] for event in told] == wanted["token_ids"]
    assert "".join(event["token"]["text"] for event in told) == wanted["text"] == told[-1]["generated_text"]
    assert [event["generated_text"] for event in told[:-1]] == [None] * 5
    assert told[-1]["details"]["finish_reason"] == "length" and [event["index"] for event in told] == [1, 2, 3, 4, 5, 6]
    whole = strict.http.post("/generate", json={"inputs": PROMPT, "parameters": {"max_new_tokens": 6, "details": True}}).json()
    assert [event["token"]["text"] for event in told] == [token["text"] for token in whole["details"]["tokens"]]


def test_tgi_streams_each_token_once_whatever_ends_it(strict):
    """Behind a stop string the end comes a step after its token."""
    for seed in range(12):
        parameters = {"max_new_tokens": 12, "do_sample": True, "seed": seed, "stop": ["e", "\n"], "details": True}
        whole = strict.http.post("/generate", json={"inputs": PROMPT, "parameters": parameters}).json()
        told = events(strict.http.post("/generate_stream", json={"inputs": PROMPT, "parameters": parameters}))
        assert [event["token"]["id"] for event in told] == [token["id"] for token in whole["details"]["tokens"]]
        assert [event["index"] for event in told] == list(range(1, len(told) + 1))
        assert told[-1]["details"]["generated_tokens"] == len(told) == whole["details"]["generated_tokens"]
        assert "".join(event["token"]["text"] for event in told) == told[-1]["generated_text"] == whole["generated_text"]


def test_tgi_errors_and_info(strict):
    response = strict.http.post("/generate", json={"inputs": "a", "parameters": {"typical_p": 0.95}})
    assert response.status_code == 422 and response.json()["error_type"] == "validation"
    assert "parameters.typical_p is 0.95" in response.json()["error"] and "set it to 1" in response.json()["error"]
    hub = {"options": {"use_cache": False, "wait_for_model": True}}  # as Hugging Face's clients send it to every server
    assert strict.http.post("/", json={"inputs": "a", "parameters": {"max_new_tokens": 1}, **hub}).status_code == 200
    response = strict.http.post("/generate", json={"inputs": "a", "options": {"max_new_tokens": 5}})
    assert response.status_code == 422 and "put it into parameters" in response.json()["error"]
    info = strict.http.get("/info").json()
    assert (info["model_id"], info["max_total_tokens"]) == (MODEL.name, 1048576)
    assert info["max_input_tokens"] == 1048575, "one token is to be written"


DRAWN = {"max_new_tokens": 6, "do_sample": True, "details": True}


def mean(sequence):
    return sum(token["logprob"] for token in sequence["tokens"]) / len(sequence["tokens"])


def test_tgi_best_of(strict):
    told = strict.http.post("/generate", json={"inputs": PROMPT, "parameters": {**DRAWN, "best_of": 4}}).json()
    others = told["details"]["best_of_sequences"]
    assert len(others) == 3
    assert all(mean(told["details"]) >= mean(other) for other in others)
    for one in [{**told["details"], "generated_text": told["generated_text"]}, *others]:
        signed = one["seed"] - (1 << 64) if one["seed"] >> 63 else one["seed"]
        again = six_tokens(strict, temperature=1, top_p=1, top_k=0, seed=signed)
        assert one["generated_text"] == again["text"], "its seed draws it"
        assert (one["finish_reason"], one["generated_tokens"], len(one["tokens"])) == ("length", 6, 6)
    assert len({one["seed"] for one in [told["details"], *others]}) == 4
    short = strict.http.post("/generate", json={"inputs": PROMPT, "parameters": {
        "max_new_tokens": 6, "do_sample": True, "best_of": 2}}).json()
    assert list(short) == ["generated_text"]


@pytest.mark.parametrize(("parameters", "says"), [
    ({"best_of": 2}, "needs sampling"), ({"best_of": 2, "do_sample": True, "seed": 1}, "needs no seed"),
    ({"best_of": 1000, "do_sample": True}, "best_of is 1000"), ({"best_of": 0, "do_sample": True}, "best_of is 0"),
    ({"typical_p": 0.5}, "typical_p is 0.5")])
def test_tgi_refuses_as_its_server_does(strict, parameters, says):
    response = strict.http.post("/generate", json={"inputs": "a", "parameters": parameters})
    assert response.status_code == 422 and response.json()["error_type"] == "validation"
    assert says in response.json()["error"]


@pytest.mark.parametrize("parameters", [{"best_of": 2, "do_sample": True}, {"decoder_input_details": True}])
@pytest.mark.parametrize(("path", "more"), [("/generate_stream", {}), ("/", {"stream": True})])
def test_tgi_refuses_of_streams_what_only_a_whole_answer_has(strict, path, more, parameters):
    response = strict.http.post(path, json={"inputs": "a", "parameters": parameters, **more})
    assert response.status_code == 422 and "not for streams" in response.json()["error"]


def test_tgi_tells_of_the_prompt(strict):
    wanted = strict.complete(prompt=PROMPT, max_tokens=0, echo=True, logprobs=0, return_token_ids=True)["choices"][0]
    told = strict.http.post("/generate", json={"inputs": PROMPT, "parameters": {
        "max_new_tokens": 1, "details": True, "decoder_input_details": True}}).json()["details"]["prefill"]
    assert [token["id"] for token in told] == wanted["prompt_token_ids"]
    assert [token["text"] for token in told] == wanted["logprobs"]["tokens"]
    assert told[0]["logprob"] is None
    assert [token["logprob"] for token in told] == wanted["logprobs"]["token_logprobs"]


# --- llama.cpp

@pytest.mark.parametrize("prompts", [[PROMPT, "Call me"], [[0, 40, 41], "Call me"]])
def test_llamacpp_several_prompts(strict, prompts):
    """A list of answers, as its server gives; a stream's events say whose they are."""
    singles = [strict.http.post("/completion", json={"prompt": prompt, "n_predict": 4, "temperature": 0}).json()
               for prompt in prompts]
    body = {"prompt": prompts, "n_predict": 4, "temperature": 0}
    told = strict.http.post("/completion", json=body).json()
    same = ("content", "tokens_predicted", "tokens_evaluated", "stop", "stop_type")
    assert [one["index"] for one in told] == [0, 1]
    assert [[one[name] for name in same] for one in told] == [[one[name] for name in same] for one in singles]
    pieces = events(strict.http.post("/completion", json={**body, "stream": True}))
    for index, single in enumerate(singles):
        own = [piece for piece in pieces if piece["index"] == index]
        assert "".join(piece["content"] for piece in own) == single["content"]
        assert [piece["stop"] for piece in own] == [False] * (len(own) - 1) + [True]
        assert own[-1]["tokens_evaluated"] == single["tokens_evaluated"]
        assert [piece["tokens_predicted"] for piece in own][-2:] == [4, 4]
    assert isinstance(strict.http.post("/completion", json={**body, "prompt": prompts[:1]}).json(), dict)


def test_llamacpp_completion(strict):
    wanted = six_tokens(strict, logprobs=2)
    body = {"prompt": PROMPT, "n_predict": 6, "temperature": 0, "n_probs": 2, "return_tokens": True, "cache_prompt": True,
            "repeat_penalty": 1.0, "repeat_last_n": 64, "seed": -1}
    told = strict.http.post("/completion", json=body).json()
    assert (told["content"], told["tokens"], told["stop"]) == (wanted["text"], wanted["token_ids"], True)
    assert (told["stop_type"], told["tokens_predicted"]) == ("limit", 6)
    assert [one["logprob"] for one in told["completion_probabilities"]] == wanted["logprobs"]["token_logprobs"]
    told = events(strict.http.post("/completion", json={**body, "stream": True}))
    assert "".join(event["content"] for event in told) == wanted["text"]
    assert [token for event in told for token in event["tokens"]] == wanted["token_ids"]
    assert [event["stop"] for event in told] == [False] * (len(told) - 1) + [True]
    for grammar, has in (('root ::= "a\\nb"', True), ('root ::= "ab"', False)):
        told = strict.http.post("/completion", json={"prompt": PROMPT, "n_predict": 20, "grammar": grammar}).json()
        assert ("\n" in told["content"], told["has_new_line"]) == (has, has)


@pytest.mark.parametrize("path", ["/completion", "/completions"])
@pytest.mark.parametrize("more", [{"max_tokens": 4}, {"max_completion_tokens": 4}, {"max_tokens": 4, "n_predict": None},
                                  {"n_predict": 4, "max_tokens": 6}, {"n_predict": 4, "max_completion_tokens": -1}])
def test_llamacpp_takes_openais_names_of_the_length(strict, path, more):
    """As its server does, for clients whose base URL ends before /v1."""
    told = strict.http.post(path, json={"prompt": PROMPT, "temperature": 0, **more}).json()
    assert (told["content"], told["tokens_predicted"]) == (six_tokens(strict, max_tokens=4)["text"], 4)


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_llamacpp_refuses_a_length_that_is_none_even_where_another_goes_before_it(strict, name):
    answer = strict.http.post("/completion", json={"prompt": PROMPT, "n_predict": 4, name: -2})
    assert answer.status_code == 400 and name in answer.text


def test_llamacpp_may_generate_nothing(strict):
    told = strict.http.post("/completion", json={"prompt": PROMPT, "n_predict": 0}).json()
    assert (told["content"], told["tokens_predicted"], told["stop"]) == ("", 0, True)
    assert told["tokens_evaluated"] > 1 and "prompt_logprobs" not in told


def test_llamacpp_has_openais_routes_without_v1(strict):
    body = {"messages": MESSAGES, "max_tokens": 6, "temperature": 0}
    assert strict.http.post("/chat/completions", json=body).json()["choices"][0]["message"]["content"] == chat(strict)
    assert strict.http.get("/models").json() == strict.http.get("/v1/models").json()
    assert "loading of models" in strict.http.post("/models/load", json={"model": "x"}).json()["error"]["message"]


def test_llamacpp_stops(strict):
    word = six_tokens(strict)["text"].split()[1]
    told = strict.http.post("/completion", json={"prompt": PROMPT, "n_predict": 6, "temperature": 0, "stop": [word]}).json()
    assert (told["stop_type"], told["stopping_word"]) == ("word", word) and word not in told["content"]
    body = {"prompt": PROMPT, "n_predict": 6, "temperature": 0}
    assert strict.http.post("/completion", json={**body, "stop": word}).json()["content"] == told["content"]
    refused = strict.http.post("/completion", json={"prompt": PROMPT, "mirostat": 2}).json()["error"]
    assert (refused["param"], refused["code"]) == ("mirostat", "unsupported_parameter")


def test_llamacpp_text(strict):
    ids = strict.http.post("/tokenize", json={"prompt": PROMPT, "add_special_tokens": False}).json()["tokens"]
    assert strict.http.post("/tokenize", json={"content": PROMPT}).json()["tokens"] == ids
    pieces = strict.http.post("/tokenize", json={"content": PROMPT, "with_pieces": True}).json()["tokens"]
    assert [one["id"] for one in pieces] == ids and "".join(one["piece"] for one in pieces) == PROMPT
    assert strict.http.post("/detokenize", json={"tokens": ids}).json()["content"] == PROMPT
    parts = strict.http.post("/tokenize", json={"content": "\u65e5", "with_pieces": True}).json()["tokens"]
    assert bytes(byte for one in parts for byte in one["piece"]).decode() == "\u65e5"  # a list of bytes each
    text = strict.http.post("/apply-template", json={"messages": MESSAGES}).json()["prompt"]
    assert "Call me" in text
    ids = strict.http.post("/tokenize", json={"prompt": text, "add_special_tokens": False}).json()["tokens"]
    assert ids == strict.http.post("/tokenize", json={"messages": MESSAGES}).json()["tokens"]
    tools = [{"type": "function", "function": {"name": "look_up", "parameters": {"type": "object", "properties": {}}}}]
    told = {"messages": MESSAGES, "tools": tools}
    text = strict.http.post("/apply-template", json=told).json()["prompt"]
    ids = strict.http.post("/tokenize", json={"prompt": text, "add_special_tokens": False}).json()["tokens"]
    answer = strict.http.post("/v1/chat/completions", json={**told, "max_tokens": 1}).json()
    assert "look_up" in text and ids == strict.http.post("/tokenize", json=told).json()["tokens"]
    assert answer["usage"]["prompt_tokens"] == len(ids)
    assert strict.http.post("/tokenize", json={**told, "tools": [{}]}).json()["error"]["param"] == "tools[0].function"


def test_llamacpp_props_and_slots(strict):
    props = strict.http.get("/props").json()
    config = json.loads((MODEL / "tokenizer_config.json").read_text())
    assert props["chat_template"] == config["chat_template"] and props["eos_token"] == config["eos_token"]
    slots = strict.http.get("/slots").json()
    assert len(slots) == props["total_slots"] and not any(slot["is_processing"] for slot in slots)


# --- Ollama

OPTIONS = {"temperature": 0, "num_predict": 6, "num_ctx": 2048}


def test_ollama_generate(strict):
    ask = {"model": f"{MODEL.name}:latest", "prompt": PROMPT, "options": OPTIONS, "keep_alive": "5m"}
    told = strict.http.post("/api/generate", json={**ask, "raw": True, "stream": False}).json()
    assert (told["response"], told["done"], told["done_reason"]) == (six_tokens(strict)["text"], True, "length")
    assert told["eval_count"] == 6 and told["total_duration"] > 0
    told = lines(strict.http.post("/api/generate", json={**ask, "raw": True}))
    assert "".join(line["response"] for line in told) == six_tokens(strict)["text"]
    assert [line["done"] for line in told] == [False] * (len(told) - 1) + [True]
    told = strict.http.post("/api/generate", json={**ask, "system": "Be brief.", "stream": False}).json()
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": PROMPT}]
    assert told["response"] == chat(strict, messages)
    loaded = strict.http.post("/api/generate", json={"model": MODEL.name}).json()
    assert (loaded["done"], loaded["done_reason"]) == (True, "load")


@pytest.mark.parametrize("bound", [0, -1, -2])
def test_ollama_without_a_bound(strict, bound):
    options = {"temperature": 0, "num_predict": bound, "stop": six_tokens(strict)["text"][-1]}
    told = strict.http.post("/api/generate", json={"prompt": PROMPT, "raw": True, "stream": False, "options": options}).json()
    assert told["done_reason"] == "stop"
    options["num_predict"] = -3
    refused = strict.http.post("/api/generate", json={"prompt": PROMPT, "raw": True, "options": options})
    assert refused.status_code == 400 and "num_predict must be at least -2" in refused.json()["error"]


def test_ollama_chat(strict):
    ask = {"model": MODEL.name, "messages": MESSAGES, "options": OPTIONS}
    told = strict.http.post("/api/chat", json={**ask, "stream": False}).json()
    assert told["message"] == {"role": "assistant", "content": chat(strict)}
    told = lines(strict.http.post("/api/chat", json=ask))
    assert "".join(line["message"]["content"] for line in told) == chat(strict) and told[-1]["done_reason"] == "length"


def test_ollama_tells_log_probabilities(strict):
    wanted = six_tokens(strict, logprobs=2)["logprobs"]
    ask = {"prompt": PROMPT, "raw": True, "options": OPTIONS, "logprobs": True, "top_logprobs": 2}
    whole = strict.http.post("/api/generate", json={**ask, "stream": False}).json()["logprobs"]
    streamed = [one for line in lines(strict.http.post("/api/generate", json=ask)) for one in line["logprobs"]]
    assert whole == streamed
    assert [one["token"] for one in whole] == wanted["tokens"]
    assert [one["logprob"] for one in whole] == wanted["token_logprobs"]
    assert [bytes(one["bytes"]).decode() for one in whole] == wanted["tokens"]
    assert [{top["token"]: top["logprob"] for top in one["top_logprobs"]} for one in whole] == wanted["top_logprobs"]
    asked = {"messages": MESSAGES, "options": OPTIONS, "stream": False}
    told = strict.http.post("/api/chat", json={**asked, "logprobs": True}).json()
    assert len(told["logprobs"]) == 6 and told["logprobs"][0]["top_logprobs"] == []
    assert "logprobs" not in strict.http.post("/api/chat", json={**asked, "top_logprobs": 2}).json()
    refused = strict.http.post("/api/chat", json={**asked, "logprobs": True, "top_logprobs": 21})
    assert refused.status_code == 400 and "top_logprobs is 21" in refused.json()["error"]


def test_ollama_chat_without_messages_loads(strict):
    """Which is done: for clients that do so before the first question."""
    loaded = strict.http.post("/api/chat", json={"model": MODEL.name, "messages": []}).json()
    assert (loaded["message"], loaded["done"], loaded["done_reason"]) == ({"role": "assistant", "content": ""}, True, "load")
    assert strict.http.post("/api/chat", json={"model": "no-such", "messages": []}).status_code == 404
    assert strict.http.post("/api/chat", json={"model": MODEL.name, "stream": False}).json()["done_reason"] == "load"


def test_ollama_goes_on_with_what_the_assistant_said_last(strict):
    def tokens(path, *said, **more):
        body = {"messages": [*MESSAGES, *said], "max_tokens": 1, **more}
        if path == "/api/chat":
            body = {"messages": body["messages"], "stream": False, "options": {"num_predict": 1}, **more}
        answer = strict.http.post(path, json=body).json()
        return answer["prompt_eval_count"] if path == "/api/chat" else answer["usage"]["prompt_tokens"]
    begun = {"role": "assistant", "content": "It is"}
    wanted = tokens("/v1/chat/completions", begun, add_generation_prompt=False, continue_final_message=True)
    assert tokens("/api/chat", begun) == wanted < tokens("/api/chat", begun, add_generation_prompt=True)


def test_ollama_ends_take_time(strict):
    """Programs divide tokens by it."""
    answer = strict.http.post("/api/chat", json={"messages": MESSAGES, "stream": False, "options": {"num_predict": 1}}).json()
    assert answer["eval_count"] == 1 and answer["eval_duration"] >= 1


def test_ollama_says_what_is_loaded(strict):
    [loaded], [listed] = (strict.http.get(f"/api/{path}").json()["models"] for path in ("ps", "tags"))
    assert loaded | listed == loaded and loaded["context_length"] == 1048576 and loaded["expires_at"] > "2100"


def test_ollama_models_and_errors(strict):
    tags = strict.http.get("/api/tags").json()["models"]
    assert [(one["name"], one["size"] > 0) for one in tags] == [(MODEL.name, True)]
    shown = strict.http.post("/api/show", json={"model": MODEL.name}).json()
    assert shown["capabilities"] == ["completion", "tools"] and shown["model_info"]["general.parameter_count"] > 10**7
    version = strict.http.get("/api/version").json()
    assert version["batucada"] == strict.http.get("/version").json()["version"]
    assert [int(part) for part in version["version"].split(".")] >= [0, 6, 4], "what clients ask for"
    for path, body, status in (("/api/chat", {"model": "x", "messages": MESSAGES}, 404),
                               ("/api/chat", {"messages": MESSAGES, "format": "yaml"}, 400),
                               ("/api/show", {"model": "x"}, 404), ("/api/pull", {"model": "x"}, 404)):
        response = strict.http.post(path, json=body)
        assert (response.status_code, list(response.json())) == (status, ["error"]), response.text
        assert isinstance(response.json()["error"], str)


@pytest.mark.parametrize(("path", "body"), [
    ("/generate", {"inputs": PROMPT, "parameters": {"max_new_tokens": 2, "what": 1}}),
    ("/completion", {"prompt": PROMPT, "n_predict": 2, "what": 1}),
    ("/api/generate", {"prompt": PROMPT, "options": {"num_predict": 2, "what": 1}, "raw": True}),
])
def test_unknown_names_are_ignored_and_named(fast, strict, path, body):
    before = fast.metric("batucada_ignored_parameters_total")
    response = fast.http.post(path, json=body)
    assert response.status_code == 200 and response.headers["x-ignored-parameters"].endswith("what")
    assert fast.metric("batucada_ignored_parameters_total") == before + 1
    assert strict.http.post(path, json=body).status_code in (400, 422)


def test_requests_are_counted_and_written_down(fast):
    name = 'batucada_http_responses_total{endpoint="tgi.generate",status="200"}'
    before = fast.metrics().get(name, 0)
    fast.http.post("/generate", json={"inputs": "a", "parameters": {"max_new_tokens": 1}}).raise_for_status()
    assert fast.metric(name) == before + 1
    assert '"api":"tgi.generate"' in fast.log()


# --- All of them

ENDS = "a\u2028b\u2029c\u0085d"  # where str.splitlines ends lines, too


@pytest.mark.parametrize(("path", "body"), [
    ("/v1/chat/completions", {"messages": MESSAGES, "max_tokens": 60, "structured_outputs": {"choice": [ENDS]}}),
    ("/v1/completions", {"prompt": ENDS, "echo": True, "max_tokens": 60, "structured_outputs": {"choice": [ENDS]}}),
    ("/v1/responses", {"input": ENDS, "instructions": ENDS, "metadata": {"a": ENDS}, "max_output_tokens": 60,
                       "text": {"format": {"type": "json_schema", "name": "q", "schema": {"const": ENDS}}}}),
    ("/v1/messages", {"messages": MESSAGES, "max_tokens": 60,
                      "output_config": {"format": {"type": "json_schema", "schema": {"const": ENDS}}}}),
    ("/generate_stream", {"inputs": PROMPT, "parameters": {"max_new_tokens": 60, "grammar": {"type": "regex", "value": ENDS}}}),
    ("/completion", {"prompt": PROMPT, "n_predict": 60, "grammar": f'root ::= "{ENDS}"'}),
    ("/generate", {"text": PROMPT, "sampling_params": {"max_new_tokens": 60, "regex": ENDS}}),
    ("/api/generate", {"model": MODEL.name, "prompt": PROMPT, "raw": True, "format": {"const": ENDS}}),
    ("/api/chat", {"model": MODEL.name, "messages": MESSAGES, "format": {"const": ENDS}}),
    (f"/v2/models/{MODEL.name}/generate_stream", {"text_input": PROMPT, "max_tokens": 60, "regex": ENDS}),
])
def test_streams_are_whole_to_whoever_reads_by_lines(cpu, path, body):
    """As clients do that split what comes as str.splitlines does: huggingface_hub, httpx's iter_lines, Ollama's."""
    stream = {} if path.endswith("generate_stream") else {"stream": True}
    response = cpu.http.post(path, json={**body, **stream})
    assert response.status_code == 200, response.text
    told = []
    for line in response.text.splitlines():
        if line and line != "data: [DONE]" and not line.startswith(("event:", ":")):
            told.append(json.loads(line.removeprefix("data:")))
    assert told and "\\u2028" in response.text
    assert response.text.isascii() or not any(end in response.text for end in "\u2028\u2029\x85")
