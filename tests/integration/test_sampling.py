"""What the sampling parameters do to the text of the embedded model: their effect, not their presence."""

import collections
import math

import pytest

from server import Server

PROMPT = "It was a dark and stormy night; the rain fell in torrents"


@pytest.fixture(scope="module")
def cpu():
    with Server("--backend", "cpu", "--max-sequences", "8") as server:
        yield server


def generate(server, max_tokens=48, **body):
    """(ids, choice)"""
    [choice] = server.complete(prompt=PROMPT, max_tokens=max_tokens, return_token_ids=True, **body)["choices"]
    return choice["token_ids"], choice


def repeats(ids):
    return len(ids) - len(set(ids))


@pytest.fixture(scope="module")
def plain(cpu):
    ids, choice = generate(cpu, temperature=0, ignore_eos=True)
    assert repeats(ids) > 5, "a small model repeats itself, which is what penalties are for"
    return ids, choice


def test_penalties_make_repetition_rarer(cpu, plain):
    for penalty in ({"presence_penalty": 2}, {"frequency_penalty": 2}, {"repetition_penalty": 2}):
        ids, _ = generate(cpu, temperature=0, ignore_eos=True, **penalty)
        assert repeats(ids) < repeats(plain[0]), penalty
    ids, _ = generate(cpu, temperature=0, ignore_eos=True, presence_penalty=-2, frequency_penalty=-2)
    most = max(collections.Counter(ids).values())
    assert most > max(collections.Counter(plain[0]).values()), "below zero they make it more likely"
    same, _ = generate(cpu, temperature=0, ignore_eos=True, presence_penalty=0, frequency_penalty=0, repetition_penalty=1)
    assert same == plain[0]


def test_a_bias_forces_and_forbids(cpu, plain):
    forced, _ = generate(cpu, temperature=0, ignore_eos=True, max_tokens=5, logit_bias={"300": 100})
    assert forced == [300] * 5
    first = plain[0][0]
    without, _ = generate(cpu, temperature=0, ignore_eos=True, logit_bias={str(first): -100})
    assert first not in without


def test_only_allowed_tokens_come(cpu):
    allowed = list(range(300, 400))
    ids, _ = generate(cpu, seed=3, ignore_eos=True, allowed_token_ids=allowed)
    assert set(ids) <= set(allowed) and len(set(ids)) > 1
    ids, _ = generate(cpu, seed=3, ignore_eos=True, allowed_token_ids=[7], max_tokens=3)
    assert ids == [7] * 3


def test_bad_words_do_not_come(cpu, plain):
    words = [word for word in plain[1]["text"].split() if word.isalpha() and len(word) > 2]
    word = collections.Counter(words).most_common(1)[0][0]
    _, choice = generate(cpu, temperature=0, ignore_eos=True, bad_words=[word])
    assert word not in choice["text"].split()


def test_min_tokens_hold_off_every_end(cpu, plain):
    stop_id = plain[0][3]
    ids, choice = generate(cpu, temperature=0, stop_token_ids=[stop_id])
    assert len(ids) == plain[0].index(stop_id) + 1 and choice["finish_reason"] == "stop"
    ids, _ = generate(cpu, temperature=0, stop_token_ids=[stop_id], min_tokens=12)
    assert len(ids) >= 12 and stop_id not in ids[:11]
    stop = plain[1]["text"][4:8]
    early, _ = generate(cpu, temperature=0, stop=stop)
    late, _ = generate(cpu, temperature=0, ignore_eos=True, stop=stop, min_tokens=20)
    assert len(early) < 20 <= len(late)


def test_the_stop_string_may_stay(cpu, plain):
    text = plain[1]["text"]
    stop = text[10:15]
    end = text.index(stop)
    _, without = generate(cpu, temperature=0, ignore_eos=True, stop=[stop])
    _, with_it = generate(cpu, temperature=0, ignore_eos=True, stop=[stop], include_stop_str_in_output=True)
    assert without["text"] == text[:end] and with_it["text"] == text[:end] + stop
    chunks = cpu.openai().completions.create(model="", prompt=PROMPT, max_tokens=48, temperature=0, stop=[stop], stream=True,
                                             extra_body={"include_stop_str_in_output": True, "ignore_eos": True})
    assert "".join(chunk.choices[0].text for chunk in chunks) == text[:end] + stop


def test_the_stop_word_may_stay(cpu, plain):
    ids, choice = generate(cpu, temperature=0, stop_token_ids=[plain[0][3]])
    kept, with_it = generate(cpu, temperature=0, stop_token_ids=[plain[0][3]], include_stop_str_in_output=True)
    assert kept == ids and with_it["text"].startswith(choice["text"]) and plain[1]["text"].startswith(with_it["text"])
    assert len(with_it["text"]) > len(choice["text"])


def test_logprobs_stay_the_models_own(cpu):
    _, free = generate(cpu, temperature=0, max_tokens=1, logprobs=5)
    _, bent = generate(cpu, temperature=0.5, top_k=1, max_tokens=1, logprobs=5, presence_penalty=1)
    assert bent["logprobs"] == free["logprobs"]


def test_truncation_keeps_the_end_of_the_prompt(cpu):
    whole, choice = generate(cpu, temperature=0, max_tokens=8)
    ids = choice["prompt_token_ids"]
    cut = cpu.complete(prompt=PROMPT, truncate_prompt_tokens=4, temperature=0, max_tokens=8, return_token_ids=True)
    assert cut["choices"][0]["prompt_token_ids"] == ids[-4:] and cut["usage"]["prompt_tokens"] == 4
    same = cpu.complete(prompt=ids[-4:], temperature=0, max_tokens=8)
    assert cut["choices"][0]["text"] == same["choices"][0]["text"]
    longer, _ = generate(cpu, temperature=0, max_tokens=8, truncate_prompt_tokens=1000)
    assert longer == whole
    room, _ = generate(cpu, temperature=0, max_tokens=8, truncate_prompt_tokens=-1)
    assert room == whole


def test_temperature_and_filters(cpu):
    greedy, _ = generate(cpu, temperature=0)
    for parameters in ({"top_k": 1}, {"top_p": 1e-6}, {"min_p": 1}, {"temperature": 1e-4}):
        ids, _ = generate(cpu, seed=5, **{"temperature": 1, **parameters})
        assert ids == greedy, parameters
    assert generate(cpu, seed=5, temperature=1.5)[0] != greedy


def test_special_tokens_show_if_asked_for(cpu):
    answer = cpu.http.post("/tokenize", json={"prompt": "", "return_token_strs": True}).json()
    [start], [name] = answer["tokens"], answer["token_strs"]
    ask = {"max_tokens": 3, "logit_bias": {str(start): 100}, "ignore_eos": True, "temperature": 0}
    hidden, shown = (generate(cpu, skip_special_tokens=skip, **ask) for skip in (True, False))
    assert hidden[0] == shown[0] == [start] * 3
    assert hidden[1]["text"] == "" and shown[1]["text"] == name * 3


def top_of(choice):
    """For every generated token, (its log-probability, those of the most likely)."""
    logprobs = choice["logprobs"]
    return [(logprob, sorted(top.values(), reverse=True))
            for logprob, top in zip(logprobs["token_logprobs"], logprobs["top_logprobs"])]


def test_filters_keep_what_is_likely_and_only_that(cpu):
    """At temperature 1 filters speak of the model's own probabilities, which are those that are reported."""
    ask = {"seed": 5, "ignore_eos": True, "logprobs": 20, "temperature": 1, "top_p": 1}
    free = top_of(generate(cpu, **ask)[1])
    assert max(sum(other > logprob for other in top) for logprob, top in free) > 3, "without filters it strays"
    for logprob, top in top_of(generate(cpu, top_k=3, **ask)[1]):
        assert logprob >= top[2]
    for logprob, top in top_of(generate(cpu, **ask | {"top_p": 0.4})[1]):
        assert sum(math.exp(other) for other in top if other > logprob) < 0.4 + 1e-3
    for logprob, top in top_of(generate(cpu, min_p=0.2, **ask)[1]):
        assert math.exp(logprob) > 0.2 * math.exp(top[0]) - 1e-3
    everything, _ = generate(cpu, **ask)
    for parameters in ({"top_k": 0}, {"top_k": -1}, {"min_p": 0}):
        assert generate(cpu, **ask, **parameters)[0] == everything, parameters


def test_each_penalty_is_its_own(cpu):
    """Of two tokens one is favoured by 10: a penalty that is taken off once never changes that, one that grows does."""
    ask = {"temperature": 0, "ignore_eos": True, "allowed_token_ids": [300, 301], "logit_bias": {"300": 10}}
    assert set(generate(cpu, **ask)[0]) == {300}
    assert set(generate(cpu, presence_penalty=2, **ask)[0]) == {300}
    frequency, _ = generate(cpu, frequency_penalty=2, **ask)
    assert frequency[:3] == [300] * 3 and 10 < frequency.count(301) < 38
    # Only repetition_penalty minds the prompt. Both candidates are likely; the first is in the prompt, the other not.
    of_prompt, other = (cpu.http.post("/tokenize", json={"prompt": text, "add_special_tokens": False}).json()["tokens"][0]
                        for text in (";", ":"))
    ask = {"temperature": 0, "max_tokens": 1, "allowed_token_ids": [of_prompt, other]}
    assert generate(cpu, **ask)[0] == [of_prompt]
    assert generate(cpu, presence_penalty=2, frequency_penalty=2, **ask)[0] == [of_prompt]
    assert generate(cpu, repetition_penalty=10, **ask)[0] == [other]


def test_the_models_end_tokens_end_unless_ignored(cpu):
    for name in ("<|endoftext|>", "<|im_end|>"):
        tokens = cpu.http.post("/tokenize", json={"messages": [{"role": "user", "content": "a"}],
                                                  "return_token_strs": True}).json()
        end = tokens["tokens"][tokens["token_strs"].index(name)]
        ids, choice = generate(cpu, max_tokens=5, temperature=0, logit_bias={str(end): 100})
        assert (ids, choice["text"], choice["finish_reason"], choice["stop_reason"]) == ([end], "", "stop", None)
        ids, choice = generate(cpu, max_tokens=5, temperature=0, logit_bias={str(end): 100}, ignore_eos=True)
        assert (ids, choice["finish_reason"]) == ([end] * 5, "length")
