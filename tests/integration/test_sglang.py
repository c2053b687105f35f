"""SGLang's POST /generate draws the tokens that /v1/completions draws, in its server's shapes. Its clients are lm-eval's
sglang-generate, sglang.bench_serving and programs of its users."""

import json

import pytest

from server import six_tokens

PROMPT = "It was a"
SAMPLING = {"temperature": 0, "max_new_tokens": 6}


def generate(server, **body):
    response = server.http.post("/generate", json=body)
    assert response.status_code == 200, response.text
    return response.json()


def test_a_text(strict):
    wanted = six_tokens(strict)
    told = generate(strict, text=PROMPT, sampling_params=SAMPLING, rid="mine")
    assert (told["text"], told["output_ids"]) == (wanted["text"], wanted["token_ids"])
    meta = told["meta_info"]
    assert meta["finish_reason"] == {"type": "length", "length": 6} and meta["id"] == "mine"
    assert (meta["prompt_tokens"], meta["completion_tokens"]) == (len(wanted["prompt_token_ids"]), 6)
    both = strict.http.post("/generate", json={"text": "a", "sampling_params": SAMPLING, "rid": "mine"},
                            headers={"x-request-id": "header"})
    assert both.headers.get_list("x-request-id") == ["header"] and both.json()["meta_info"]["id"] == "header"
    assert generate(strict, input_ids=wanted["prompt_token_ids"], sampling_params=SAMPLING)["text"] == wanted["text"]
    drawn = six_tokens(strict, temperature=0.9, seed=5)
    same = {"temperature": 0.9, "max_new_tokens": 6, "sampling_seed": 5}
    assert generate(strict, text=PROMPT, sampling_params=same)["text"] == drawn["text"]


def test_several(strict):
    prompts = [PROMPT, "Call me"]
    told = generate(strict, text=prompts, sampling_params=SAMPLING)
    assert [one["text"] for one in told] == [six_tokens(strict, prompt=prompt)["text"] for prompt in prompts]
    assert [one["meta_info"]["id"] for one in generate(strict, text=prompts, sampling_params=SAMPLING, rid="mine")] == ["mine_0", "mine_1"]
    [alone] = generate(strict, text=prompts[:1], sampling_params=SAMPLING)
    assert alone["text"] == told[0]["text"]
    assert len(generate(strict, text=PROMPT, sampling_params={**SAMPLING, "temperature": 1, "n": 3})) == 3


def test_stops(strict):
    stop = six_tokens(strict)["text"].split()[1]
    cut = six_tokens(strict, stop=[stop])
    told = generate(strict, text=PROMPT, sampling_params={**SAMPLING, "stop": stop})
    assert told["text"] == cut["text"] and told["meta_info"]["finish_reason"] == {"type": "stop", "matched": stop}
    whole = generate(strict, text=PROMPT, sampling_params={**SAMPLING, "stop": [stop], "no_stop_trim": True})
    assert whole["text"] == cut["text"] + stop
    token = six_tokens(strict)["token_ids"][2]
    told = generate(strict, text=PROMPT, sampling_params={**SAMPLING, "stop_token_ids": [token]})
    assert told["meta_info"]["finish_reason"] == {"type": "stop", "matched": token}


def test_log_probabilities(strict):
    """As lm-eval's sglang-generate asks, of several prompts at once."""
    prompts = [PROMPT, "Call me Ishmael"]
    wanted = [six_tokens(strict, prompt=prompt, echo=True, logprobs=2, prompt_logprobs=2) for prompt in prompts]
    ids = [one["prompt_token_ids"] for one in wanted]
    told = generate(strict, input_ids=ids, sampling_params=SAMPLING, return_logprob=True, top_logprobs_num=2,
                    logprob_start_len=0, return_text_in_logprobs=True)
    for one, meta, prompt in zip(wanted, [each["meta_info"] for each in told], ids):
        scores = meta["input_token_logprobs"] + meta["output_token_logprobs"]
        assert [token for _, token, _ in scores] == prompt + one["token_ids"]
        assert [logprob for logprob, _, _ in scores] == one["logprobs"]["token_logprobs"]
        assert [text for _, _, text in scores] == one["logprobs"]["tokens"]
        assert meta["input_top_logprobs"][0] is None and all(len(top) == 2 for top in meta["input_top_logprobs"][1:])
        assert [top[0][1] for top in meta["output_top_logprobs"]] == one["token_ids"], "the likeliest is taken"
    only = generate(strict, text=PROMPT, sampling_params={"max_new_tokens": 0}, return_logprob=True, logprob_start_len=2)
    scores = only["meta_info"]["input_token_logprobs"]
    assert only["output_ids"] == [] and only["meta_info"]["output_token_logprobs"] == []
    assert scores == [[None, ids[0][2], None], *[[logprob, token, None] for logprob, token in
                                                 zip(wanted[0]["logprobs"]["token_logprobs"][3:], ids[0][3:])]]
    answer = generate(strict, text=PROMPT, sampling_params=SAMPLING, return_logprob=True)["meta_info"]
    assert answer["input_token_logprobs"] == [] and len(answer["output_token_logprobs"]) == 6


def test_a_stream_tells_all_so_far(strict):
    body = {"text": PROMPT, "sampling_params": {**SAMPLING, "ignore_eos": True}, "stream": True, "lora_path": None,
            "return_logprob": False, "logprob_start_len": -1, "image_data": None, "return_routed_experts": False}
    response = strict.http.post("/generate", json=body)
    *events, done = [line[6:] for line in response.text.splitlines() if line.startswith("data: ")]
    told = [json.loads(event) for event in events]
    wanted = six_tokens(strict, ignore_eos=True)
    assert done == "[DONE]" and told[-1]["text"] == wanted["text"] and told[-1]["output_ids"] == wanted["token_ids"]
    counts = [one["meta_info"]["completion_tokens"] for one in told]
    assert counts == sorted(counts) and counts[-1] == 6
    assert all(wanted["text"].startswith(one["text"]) for one in told)
    assert [one["meta_info"]["finish_reason"] is None for one in told] == [True] * (len(told) - 1) + [False]


def test_a_long_stream_is_not_the_square_of_its_text(fast):
    body = {"text": "a", "sampling_params": {"max_new_tokens": 6000, "ignore_eos": True}, "stream": True}
    response = fast.http.post("/generate", json=body)
    told = [json.loads(line[6:]) for line in response.text.splitlines() if line.startswith("data: {")]
    counts = [0] + [one["meta_info"]["completion_tokens"] for one in told]
    assert counts[-1] == 6000
    assert all(now - before > before // 1024 for before, now in zip(counts[:-2], counts[1:-1]))


@pytest.mark.parametrize(("body", "where"), [
    ({"text": 7}, "text"), ({"text": []}, "text"), ({"input_ids": "a"}, "input_ids"), ({"input_ids": [-1]}, "input_ids[0]"),
    ({"text": "a", "input_ids": [1]}, "input_ids"), ({"sampling_params": {}}, "text"),
    ({"text": "a", "sampling_params": [{}]}, "sampling_params"),
    ({"text": "a", "sampling_params": {"max_new_tokens": 0, "min_new_tokens": 1}}, "sampling_params.min_new_tokens"),
    ({"text": "a", "sampling_params": {"max_new_tokens": 1, "min_tokens": 2}}, "sampling_params.min_tokens"),
    ({"text": "a", "sampling_params": {"max_tokens": -1}}, "sampling_params.max_tokens"),
    ({"text": "a", "sampling_params": {"n": 99}}, "sampling_params.n"), ({"text": "a", "sampling_params": {"stop": ["b", ""]}}, "sampling_params.stop[1]"),
    ({"text": "a", "sampling_params": {"stop_token_ids": [-1]}}, "sampling_params.stop_token_ids[0]"),
    ({"text": "a", "sampling_params": {"logit_bias": {"5": 101}}}, "sampling_params.logit_bias.5"),
    ({"text": "a", "sampling_params": {"temperature": -1}}, "sampling_params.temperature"),
    ({"text": "a", "sampling_params": {"stop_regex": "a"}}, "sampling_params.stop_regex"),
    ({"text": "a", "sampling_params": {"seed": 1, "sampling_seed": 2}}, "sampling_params.seed"),
    ({"text": "a", "temperature": 0}, "temperature"), ({"text": "a", "image_data": ["x"]}, "image_data"),
    ({"text": "a", "token_ids_logprob": [1]}, "token_ids_logprob"), ({"text": "a", "top_logprobs_num": 99, "return_logprob": True}, "top_logprobs_num"),
    ({"text": "a", "logprob_start_len": -2}, "logprob_start_len"), ({"text": "a", "rid": "a b"}, "rid"),
    ({"text": "a", "stream": True, "return_logprob": True}, "return_logprob"),
    ({"text": ["a", "b"], "stream": True}, "stream"), ({"text": "a", "stream": True, "sampling_params": {"n": 2}}, "stream"),
], ids=str)
def test_refusals_name_the_member(fast, body, where):
    response = fast.http.post("/generate", json=body)
    assert response.status_code == 400, response.text
    assert response.json()["error"]["param"] == where, response.text


def test_it_is_tgis_where_there_are_inputs(fast):
    assert "generated_text" in fast.http.post("/generate", json={"inputs": "a", "parameters": {"max_new_tokens": 1}}).json()
    for path, body in (("/generate", {"inputs": "a", "text": "b"}), ("/generate_stream", {"text": "b"}),
                       ("/", {"text": "b", "sampling_params": {}})):
        response = fast.http.post(path, json=body)
        assert response.status_code == 422 and "is SGLang's" in response.json()["error"], response.text
