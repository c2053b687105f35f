"""The embedded model on the CPU: what a newcomer sees."""

import json

import pytest

from server import MODEL, Server

MARGIN = 0.02  # of log-probability: where the golden's best two are closer, fp32 sums in another order may choose the other


@pytest.fixture(scope="module")
def cpu():
    with Server("--backend", "cpu", "--max-sequences", "8") as server:
        yield server


def test_greedy_text_is_the_golden_one(cpu):
    cases = {case["name"]: case for case in json.loads((MODEL / "golden.json").read_text())}
    golden = cases["short"]
    sure = next((i for i, margin in enumerate(golden["greedy_margins"]) if margin < MARGIN), len(golden["greedy"]))
    assert sure > 4
    [choice] = cpu.complete(prompt=golden["ids"], temperature=0, max_tokens=sure, return_token_ids=True, ignore_eos=True,
                            echo=True, logprobs=1)["choices"]
    assert choice["token_ids"] == golden["greedy"][:sure]
    assert golden["greedy_text"].startswith(choice["text"].removeprefix("It was a dark and stormy night"))
    scored = choice["logprobs"]["token_logprobs"][1:len(golden["ids"])]
    assert scored == pytest.approx(golden["prompt_logprobs"][1:], abs=2e-2)


def test_same_seed_same_text_whatever_else_runs(cpu):
    ask = {"prompt": "Call me", "seed": 11, "max_tokens": 24}
    alone = cpu.complete(**ask)["choices"][0]["text"]
    together = cpu.complete(prompt=["Call me", "She said that", "In the beginning"], n=2, seed=11, max_tokens=24)
    assert together["choices"][0]["text"] == alone
    assert len({choice["text"] for choice in together["choices"]}) == 6
