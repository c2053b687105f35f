"""With --draft-tokens answers are what they are without, and texts that repeat take fewer steps."""

import concurrent.futures
import pathlib
import re

from server import Server, run

BOOK = (pathlib.Path(__file__).parents[1] / "golden/texts/anne_of_green_gables.txt").read_text(encoding="utf-8")
PASSAGE = BOOK[5000:5800]
COUNTERS = ("batucada_draft_tokens_total", "batucada_draft_tokens_kept_total", "batucada_steps_total",
            "batucada_generation_tokens_total")
REQUESTS = (
    {"prompt": PASSAGE + "\n\n" + PASSAGE[:300], "temperature": 0, "ignore_eos": True},
    {"prompt": "It was a dark night, and", "temperature": 0, "stop": ["\n\n\n"]},
    {"prompt": PASSAGE, "temperature": 0.3, "seed": 5, "top_p": 0.9},
    # These have no drafts, and others beside them do.
    {"prompt": PASSAGE, "temperature": 0, "frequency_penalty": 0.7},
    {"prompt": "Yes, yes, yes,", "temperature": 0, "guided_regex": "( yes,| no,){1,40}"},
)


def answers(server):
    """Each alone, then all beside each other, with log-probabilities."""
    def ask(request):
        choice = server.complete(max_tokens=120, logprobs=1, **request)["choices"][0]
        return choice["text"], choice["finish_reason"], choice["logprobs"]["token_logprobs"]
    alone = [ask(request) for request in REQUESTS]
    with concurrent.futures.ThreadPoolExecutor(len(REQUESTS)) as threads:
        assert list(threads.map(ask, REQUESTS)) == alone
    return alone


def test_answers_are_the_same():
    with Server("--backend", "cpu", "--threads", "2", "--prefix-cache", "on") as server:
        plain = answers(server)
        assert all(server.metric(name) == 0 for name in COUNTERS[:2])
        plain_steps = server.metric("batucada_steps_total")
    with Server("--backend", "cpu", "--threads", "2", "--prefix-cache", "on", "--draft-tokens", "7",
                "--metrics-aliases", "vllm") as server:
        assert answers(server) == plain
        drafts, kept, steps, tokens = (server.metric(name) for name in COUNTERS)
        assert 0 < kept <= drafts
        assert kept > tokens / 8, "the passage and the loops of greedy texts repeat"
        assert steps < plain_steps
        text = server.http.get("/metrics").text
        vllm = dict(re.findall(r"^vllm:spec_decode_num_([a-z]+)_tokens_total\{.*\} (\S+)$", text, re.MULTILINE))
        assert {name: float(value) for name, value in vllm.items()} == {"draft": drafts, "accepted": kept}


def test_how_many():
    for flags in (("--draft-tokens", "64"), ("--draft-tokens", "-1"), ("--draft-tokens", "8", "--block-tokens", "8")):
        refused = run("serve", "--backend", "fake", *flags)
        assert refused.returncode != 0 and "draft-tokens" in refused.stderr, refused.stderr
