"""What clients of other servers send beyond the plain: texts that are held to something, names that one API has and
another lacks, samplers in order, seeds. No name that would change an answer is passed over."""

import json
import re

import jsonschema
import pytest

from server import MODEL, ROOT, Server, run

SCHEMA = {"type": "object", "properties": {"a": {"type": "integer", "minimum": 0, "maximum": 99}}, "required": ["a"]}
USER = [{"role": "user", "content": "hi"}]
COMPLETION, CHAT = {"prompt": "x", "max_tokens": 400}, {"messages": USER, "max_tokens": 400}
LLAMA, TGI = {"prompt": "x", "n_predict": 400}, {"inputs": "x"}
OLLAMA = {"stream": False, "options": {"num_predict": 400}}
GRAMMAR = 'root ::= "<" [a-z]{2} ">"'


@pytest.fixture(scope="module")
def strict():
    with Server("--backend", "fake", "--strict-parameters") as server:
        yield server


def text_of(answer):
    for path in (("choices", 0, "text"), ("choices", 0, "message", "content"), ("content",), ("generated_text",),
                 ("message", "content"), ("response",), ("text_output",)):
        told = answer
        for step in path:
            told = told[step] if (step in told if isinstance(told, dict) else isinstance(told, list)) else None
            if told is None:
                break
        if told is not None:
            return told
    raise AssertionError(answer)


def ask(server, path, body):
    response = server.http.post(path, json=body)
    assert response.status_code == 200, response.text
    return text_of(response.json())


def tgi(**parameters):
    return "/generate", {**TGI, "parameters": {"max_new_tokens": 400, **parameters}}


FORMATS = [{"type": "json_object", "value": SCHEMA},  # huggingface_hub
           {"type": "json_object", "schema": SCHEMA},  # llama.cpp, Together, Fireworks
           {"type": "json_schema", "schema": SCHEMA}, {"type": "json", "value": SCHEMA},
           {"type": "json_schema", "json_schema": {"name": "a", "schema": SCHEMA, "strict": True}},
           {"type": "json_schema", "value": {"name": "a", "schema": SCHEMA}}]
V2 = f"/v2/models/{MODEL.name}/generate"


@pytest.mark.parametrize(("path", "body"), [
    *[("/v1/chat/completions", {**CHAT, "response_format": one}) for one in FORMATS],
    ("/v1/completions", {**COMPLETION, "response_format": FORMATS[0]}),
    ("/v1/completions", {**COMPLETION, "json_schema": json.dumps(SCHEMA)}),  # SGLang
    ("/v1/chat/completions", {**CHAT, "json_schema": SCHEMA}),
    ("/completion", {**LLAMA, "json_schema": SCHEMA}), ("/completion", {**LLAMA, "response_format": FORMATS[1]}),
    ("/api/chat", {**OLLAMA, "messages": USER, "format": SCHEMA}), ("/api/generate", {**OLLAMA, "prompt": "x", "format": SCHEMA}),
    tgi(grammar={"type": "json", "value": SCHEMA}), tgi(response_format=FORMATS[4]),
    (V2, {"text_input": "x", "parameters": {"max_tokens": 400, "exclude_input_in_output": True,
                                            "response_format": json.dumps(FORMATS[4])}}),
    (V2, {"text_input": "x", "parameters": {"max_tokens": 400, "exclude_input_in_output": True,
                                            "structured_outputs": json.dumps({"json": SCHEMA})}}),
], ids=str)
def test_texts_are_held_to_schemas(strict, path, body):
    jsonschema.validate(json.loads(ask(strict, path, body)), SCHEMA)


@pytest.mark.parametrize(("path", "body"), [
    ("/v1/completions", {**COMPLETION, "regex": "<[a-z]{2}>"}), ("/v1/completions", {**COMPLETION, "ebnf": GRAMMAR}),
    ("/v1/chat/completions", {**CHAT, "grammar": GRAMMAR}),
    ("/v1/completions", {**COMPLETION, "response_format": {"type": "regex", "pattern": "<[a-z]{2}>"}}),
    ("/v1/completions", {**COMPLETION, "response_format": {"type": "grammar", "grammar": GRAMMAR}}),
    ("/v1/completions", {**COMPLETION, "guided_grammar": GRAMMAR, "structured_outputs": {"grammar": GRAMMAR}}),
    ("/completion", {**LLAMA, "grammar": GRAMMAR, "json_schema": {}}), tgi(grammar={"type": "regex", "value": "<[a-z]{2}>"}),
], ids=str)
def test_texts_are_held_to_expressions(strict, path, body):
    assert re.fullmatch("<[a-z]{2}>", ask(strict, path, body))


def test_ollamas_json_is_an_object(strict):
    for seed in range(4):
        body = {"messages": USER, "format": "json", "stream": False, "options": {"num_predict": 40, "seed": seed}}
        same = {"messages": USER, "response_format": {"type": "json_object"}, "max_tokens": 40, "seed": seed}
        text = ask(strict, "/api/chat", body)
        assert text.startswith("{") and text == ask(strict, "/v1/chat/completions", same)


@pytest.mark.parametrize(("path", "body", "where"), [
    ("/v1/completions", {**COMPLETION, "response_format": {"type": "json_object", "shema": {}}}, "response_format.shema"),
    ("/v1/completions", {**COMPLETION, "response_format": {"type": "text", "schema": SCHEMA}}, "response_format.schema"),
    ("/v1/completions", {**COMPLETION, "response_format": {"type": "json_object", "json_schema": {"schema": SCHEMA}}},
     "response_format.json_schema"),
    ("/v1/completions", {**COMPLETION, "response_format": {"type": "json_schema", "json_schema": {"name": "x"}}},
     "response_format.json_schema.schema"),
    ("/v1/completions", {**COMPLETION, "response_format": {"type": "json_schema", "json_schema": {"schema": {}, "stric": 1}}},
     "response_format.json_schema.stric"),
    ("/v1/completions", {**COMPLETION, "response_format": {"type": "json_object", "schema": SCHEMA, "value": SCHEMA}},
     "response_format.value"),
    ("/v1/completions", {**COMPLETION, "structured_outputs": {}}, "structured_outputs"),
    ("/v1/completions", {**COMPLETION, "structured_outputs": {"jsn": {}}}, "structured_outputs.jsn"),
    ("/v1/completions", {**COMPLETION, "regex": "a", "ebnf": GRAMMAR}, "ebnf"),
    ("/v1/chat/completions", {**CHAT, "format": "json"}, "format"),
    ("/v1/chat/completions", {**CHAT, "stop_sequences": ["a"]}, "stop_sequences"),
    ("/v1/chat/completions", {**CHAT, "max_output_tokens": 5}, "max_output_tokens"),
    ("/v1/completions", {**COMPLETION, "num_predict": 5}, "num_predict"),
    ("/v1/completions", {**COMPLETION, "options": {"temperature": 0}}, "options"),
    ("/v1/chat/completions", {**CHAT, "system": "Be brief."}, "system"),
    ("/v1/chat/completions", {**CHAT, "messages": [{**USER[0], "images": ["aGk="]}]}, "messages[0].images"),
    ("/v1/chat/completions", {**CHAT, "messages": [{**USER[0], "image_url": {"url": "data:,"}}]}, "messages[0].image_url"),
    ("/completion", {**LLAMA, "stopping_strings": [""]}, "stopping_strings[0]"),
    ("/completion", {"prompt": "a", "max_tokens": 1 << 30, "n_predict": None, "min_tokens": -1}, "min_tokens"),
    *[("/completion", {**LLAMA, name: value}, name) for name, value in
      {"n": 2, "logprobs": 3, "echo": True, "repeat_penalty": 1.1, "max_new_tokens": 5, "stop_sequences": ["a"],
       "samplers": ["min_p", "temperature", "top_k"], "messages": USER, "bad_words": ["a"]}.items()],
], ids=str)
def test_what_would_change_an_answer_is_refused_by_name(fast, path, body, where):
    response = fast.http.post(path, json=body)
    assert response.status_code == 400, response.text
    assert response.json()["error"]["param"] == where


@pytest.mark.parametrize(("path", "body", "says"), [
    ("/generate", {**TGI, "max_new_tokens": 5}, "max_new_tokens has no meaning here: put it into parameters"),
    (*tgi(max_tokens=5), "parameters.max_tokens is 5 and max_new_tokens is 400"),
    (*tgi(n=2), "parameters.n is 2"), (*tgi(bad_words=["a"]), "parameters.bad_words"),
    (*tgi(grammar={"type": "json"}), "parameters.grammar.value is missing"),
    ("/api/chat", {**OLLAMA, "messages": USER, "temperature": 0}, "temperature has no meaning here: put it into options"),
    ("/api/chat", {**OLLAMA, "messages": USER, "max_tokens": 5}, "max_tokens is 5"),
    ("/api/chat", {"messages": USER, "options": {"max_tokens": 5}}, "options.max_tokens is 5"),
    ("/api/chat", {"messages": [{**USER[0], "images": ["aGk="]}]}, "messages[0].images"),
    ("/api/chat", {"messages": USER, "options": {"logit_bias": {"5": 1}}}, "options.logit_bias"),
    ("/api/chat", {"messages": USER, "options": {"repeat_penalty": 1.1}}, "set repeat_last_n to -1"),
    (*tgi(truncate=0), "parameters.truncate is 0"), (*tgi(stop=[""]), "parameters.stop[0] is empty"),
    (*tgi(stop_sequences=["a", ""]), "parameters.stop_sequences[1] is empty"), (*tgi(top_p=-1), "parameters.top_p is -1"),
    (*tgi(temperature=9), "parameters.temperature is 9"), (*tgi(best_of=99, do_sample=True), "parameters.best_of is 99"),
    ("/generate", {"inputs": "a", "parameters": {"max_tokens": -1}}, "parameters.max_tokens is -1"),
    *[("/api/chat", {"messages": USER, "options": options}, says) for options, says in
      (({"stop": [""]}, "options.stop[0] is empty"), ({"top_p": -1}, "options.top_p is -1"), ({"temperature": 9}, "options.temperature is 9"),
       ({"min_p": 5}, "options.min_p is 5"), ({"num_predict": -5}, "options.num_predict must be at least -2"))],
], ids=str)
def test_other_forms_of_errors_name_it_too(fast, path, body, says):
    response = fast.http.post(path, json=body)
    assert response.status_code in (400, 422) and says in response.json()["error"], response.text


# They say who asks, how soon, or how an answer is put; a text is the same without them.
HARMLESS = {"user", "request_id", "rid", "priority", "model", "stream", "keep_alive", "messages", "prompt", "inputs", "options",
            "parameters", "num_ctx", "num_batch", "num_gpu", "main_gpu", "low_vram", "use_mmap", "use_mlock", "numa",
            "num_thread", "num_keep", "vocab_only", "logits_all", "f16_kv", "embedding_only", "penalize_newline", "shift",
            "tools", "stream_options", "best_of"}


def test_every_api_knows_what_the_others_act_on(fast):
    schemas = fast.http.get("/openapi.json").json()["components"]["schemas"]
    names = lambda schema: set(schema["properties"])

    def inside(schema, member):
        [found] = [one for one in schema["properties"][member].get("anyOf", [schema["properties"][member]])
                   if "properties" in one]
        return names(found)

    apis = {name: names(schemas[name]) for name in ("CompletionRequest", "ChatRequest", "LlamaRequest", "TgiRequest",
                                                   "OllamaChatRequest", "OllamaGenerateRequest")}
    apis["parameters"] = inside(schemas["TgiRequest"], "parameters")
    apis["SglangRequest"] = names(schemas["SglangRequest"])
    apis["sampling_params"] = inside(schemas["SglangRequest"], "sampling_params")
    apis["options"] = inside(schemas["OllamaChatRequest"], "options")
    known = set().union(*apis.values()) - HARMLESS
    assert len(known) > 150
    assert {api: known - has for api, has in apis.items() if known - has} == {}


# --- What the page says

PAGE = (ROOT / "docs/api.md").read_text()


def test_examples_of_the_page(fast):
    calls = re.findall(r"^curl localhost:8000(/\S+) -d '([^']+)'", PAGE, re.MULTILINE)
    assert len(calls) == 9
    for path, body in calls:
        response = fast.http.post(path, json=json.loads(body))
        assert response.status_code == 200, (path, response.text)


def test_formats_of_the_page(fast):
    [held, annotations] = (re.findall("`([a-z0-9-]+)`", re.search(pattern, PAGE, re.DOTALL)[1]) for pattern in
                           (r"`format` where it is (.*?)\.", r"these formats: (.*?)\.\n"))
    assert len(held) == 10 and len(annotations) > 25
    for name in held + annotations:
        schema = {"type": "string", "format": name}
        response = fast.http.post("/v1/completions", json={**COMPLETION, "guided_json": schema})
        assert response.status_code == 200, response.text
    error = fast.http.post("/v1/completions", json={**COMPLETION, "guided_json": {"type": "string", "format": "none"}}).json()
    assert all(name in error["error"]["message"] for name in held)


# --- llama.cpp

ORDER = ["penalties", "dry", "top_n_sigma", "top_k", "typ_p", "tfs_z", "typical_p", "xtc", "top_p", "adaptive_p", "min_p",
         "temperature"]
SILLYTAVERN = {
    "prompt": "Once", "max_new_tokens": 16, "max_tokens": 16, "temperature": 1, "top_p": 1, "typical_p": 1, "seed": -1,
    "min_p": 0.1, "repetition_penalty": 1, "frequency_penalty": 0, "presence_penalty": 0, "top_k": 0, "min_tokens": 0,
    "samplers": ORDER, "stop": ["\nUser:"], "stopping_strings": ["\nUser:"], "skip_special_tokens": True, "mirostat_mode": 0,
    "xtc_probability": 0, "n_predict": 16, "num_predict": 16, "repeat_penalty": 1, "repeat_last_n": 0, "n_probs": 10,
    "logit_bias": [], "grammar": "", "json_schema": {}, "cache_prompt": True, "stream": False, "ignore_eos": False, "n": 1}


def test_sillytavern(fast):
    response = fast.http.post("/completion", json=SILLYTAVERN)
    assert response.status_code == 200 and response.json()["tokens_predicted"] <= 16, response.text
    response = fast.http.post("/completion", json={**SILLYTAVERN, "temperature": 0.8})
    error = response.json()["error"]
    assert error["param"] == "samplers" and "penalties, temperature, top_k, top_p, min_p" in error["message"]


def tokens(server, **more):
    body = {"prompt": "It was a", "n_predict": 8, "seed": 3, "return_tokens": True, **more}
    response = server.http.post("/completion", json=body)
    assert response.status_code == 200, response.text
    return response.json()["tokens"]


def test_samplers_that_are_left_out_do_not_act(cpu):
    free = tokens(cpu, temperature=1, top_k=0, top_p=1, min_p=0)
    assert tokens(cpu, temperature=1, top_p=1, top_k=1, samplers=["temperature", "top_p"]) == free != tokens(cpu, top_k=1)
    assert tokens(cpu, temperature=1, top_p=1, top_k=1, samplers=["temp", "top_p"]) == free, "its short name"
    assert tokens(cpu, temperature=0.8, top_k=1, samplers=["top_k", "temperature"]) == tokens(cpu, top_k=1)


def test_repeat_penalty_over_the_whole_text(cpu):
    ours = cpu.complete(prompt="It was a", max_tokens=8, temperature=0, repetition_penalty=1.8, return_token_ids=True)
    assert tokens(cpu, temperature=0, repeat_penalty=1.8, repeat_last_n=-1) == ours["choices"][0]["token_ids"]
    assert tokens(cpu, temperature=0, repeat_penalty=1.8, repeat_last_n=0) == tokens(cpu, temperature=0)


def test_tokens_that_must_never_come(cpu):
    first = tokens(cpu, temperature=0)[0]
    assert first not in tokens(cpu, temperature=0, logit_bias=[[first, False]])
    assert first not in tokens(cpu, temperature=0, logit_bias={str(first): False})
    assert tokens(cpu, temperature=0, logit_bias=[[first, -100]])[0] != first
    for wrong in ([["a", 1]], [[5]], [[5, True]], "5"):
        response = cpu.http.post("/completion", json={"prompt": "a", "logit_bias": wrong})
        assert response.status_code == 400 and response.json()["error"]["param"].startswith("logit_bias"), wrong


# --- Seeds, lengths, Ollama's and TGI's small things

def test_seeds_that_are_told_can_be_asked_for(cpu):
    told = cpu.http.post("/completion", json={"prompt": "It was a", "n_predict": 8, "temperature": 1, "return_tokens": True}).json()
    seed = told["generation_settings"]["seed"]
    assert 0 <= seed < 2**32 and tokens(cpu, temperature=1, seed=seed) == told["tokens"]
    drawn = [cpu.http.post("/completion", json={"prompt": "a", "n_predict": 1, "temperature": 1, "seed": seed}).json()
             for seed in (-1, -1, 2**32 - 1, 2**32 - 1)]
    assert len({one["generation_settings"]["seed"] for one in drawn}) == 4, "both numbers ask for any"
    body = {"prompt": "It was a", "stream": False, "options": {"seed": -1, "num_predict": 40, "temperature": 1}}
    assert len({cpu.http.post("/api/generate", json=body).json()["response"] for _ in range(3)}) > 1, "Ollama's, too"
    parameters = {"max_new_tokens": 8, "do_sample": True, "details": True}
    told = cpu.http.post("/generate", json={"inputs": "It was a", "parameters": parameters}).json()
    for seed in (told["details"]["seed"], 2**64 - 1):
        again = cpu.http.post("/generate", json={"inputs": "It was a", "parameters": {**parameters, "seed": seed}}).json()
        assert again["details"]["seed"] == seed
        if seed == told["details"]["seed"]:
            assert again["generated_text"] == told["generated_text"]


def test_a_length_that_is_a_bound_alone():
    with Server("--backend", "fake", "--max-total-tokens", "64") as server:
        assert ask(server, "/completion", {"prompt": "x", "n_predict": 500, "ignore_eos": True})
        for length in (500, -1, -2):
            assert ask(server, "/api/chat", {"messages": USER, "stream": False, "options": {"num_predict": length}})
        for path, body in (("/v1/completions", {"prompt": "x"}), ("/v1/chat/completions", {"messages": USER})):
            error = server.http.post(path, json={**body, "max_tokens": 500}).json()["error"]
            assert error["code"] == "context_length_exceeded"
            assert "maximum context length is 64 tokens" in error["message"]
        # Anthropic's clients make a conversation shorter when they are told so in these words.
        said = [{"role": "user", "content": "x " * 200}]
        error = server.http.post("/v1/messages", json={"messages": said, "max_tokens": 5}).json()["error"]
        assert re.fullmatch(r"prompt is too long: \d{3} tokens > 63 maximum", error["message"]), error


def test_tgi_tells_the_most_likely(cpu):
    parameters = {"max_new_tokens": 3, "top_n_tokens": 2, "details": True}
    details = cpu.http.post("/generate", json={"inputs": "It was a", "parameters": parameters}).json()["details"]
    assert [len(top) for top in details["top_tokens"]] == [2, 2, 2]
    assert [top[0]["id"] for top in details["top_tokens"]] == [token["id"] for token in details["tokens"]]
    stream = cpu.http.post("/generate_stream", json={"inputs": "It was a", "parameters": parameters}).text
    events = [json.loads(line[5:]) for line in stream.splitlines() if line.startswith("data:")]
    assert [event["top_tokens"] for event in events] == details["top_tokens"]


def test_tgi_takes_other_names(cpu):
    parameters = {"max_tokens": 8, "stop_sequences": ["the"], "presence_penalty": 0.5, "min_p": 0}
    same = {"max_new_tokens": 8, "stop": ["the"], "presence_penalty": 0.5, "min_p": 0}
    [a, b] = [cpu.http.post("/generate", json={"inputs": "It was a", "parameters": one}).json() for one in (parameters, same)]
    assert a == b and a["generated_text"]


@pytest.mark.parametrize(("keep", "reason"), [(0, "unload"), ("0s", "unload"), ("5m", "load"), (-1, "load"), (None, "load")])
def test_ollama_says_what_keep_alive_asks_for(fast, keep, reason):
    assert fast.http.post("/api/chat", json={"messages": [], "keep_alive": keep}).json()["done_reason"] == reason


def test_health_under_v1(fast):
    assert fast.http.get("/v1/health").json() == fast.http.get("/health").json()


def test_a_directory_without_its_flag_is_told_where_it_belongs():
    ended = run("serve", str(MODEL))
    assert ended.returncode == 2 and "goes behind --model" in ended.stderr
