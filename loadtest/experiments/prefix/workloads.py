"""Conversations that go on from what came before, as token ids: each request's prompt is known once the earlier answers are.

A workload is a list of Requests. One's prompt is that of `goes_on` with its answer, up to `keep` tokens, then `more`.
Equal seeds make equal workloads.
"""

import csv
import dataclasses
import pathlib

import numpy

TRACE = pathlib.Path(__file__).resolve().parents[2] / "traces/mooncake_conversation.csv"
BLOCK = 512  # tokens of the trace's blocks
LOW, HIGH = 300, 8000  # ids that prompts are made of: no special ones of the embedded tokenizer


@dataclasses.dataclass
class Request:
    goes_on: int | None  # the index of an earlier request
    keep: int | None     # tokens of its prompt and answer; None: all
    more: object         # () -> int32 array: made when it is wanted, as all together would not fit in memory
    answer: int          # tokens
    tokens: int          # of the whole prompt

    def prompt(self, texts):
        """`texts[i]`: the prompt and answer of request i."""
        return self.more() if self.goes_on is None else numpy.concatenate([texts[self.goes_on][: self.keep], self.more()])


def words(count, *seed):
    return numpy.random.default_rng(seed).integers(LOW, HIGH, count, dtype=numpy.int32)


def block_ids(text):
    ids = []
    for run in text.split():
        first, _, last = run.partition("-")
        ids.extend(range(int(first), int(last or first) + 1))
    return ids


def blocks_text(ids, start, tokens):
    """Of a prompt of so many tokens, made of these blocks: what follows its first `start`."""
    first = start // BLOCK
    if start >= tokens:
        return words(0)
    return numpy.concatenate([words(BLOCK, 1, i) for i in ids[first:]])[start - first * BLOCK : tokens - first * BLOCK]


def mooncake(count, joined=True):
    """The first `count` requests of the Mooncake conversation trace, with its lengths.

    The trace tells a prompt's blocks of 512 tokens and nothing of the tokens: the block in which a conversation's last
    prompt ended has another name in the next one, where it goes on. `joined`: a prompt that holds all the full blocks of
    an earlier one, and is long enough for its rest and its answer, goes on from there, as the conversation did. Without
    that, it parts from the earlier one at the border of a block. The first block is everybody's, and joins nothing.
    """
    requests, ended, made_by = [], {}, {}
    with TRACE.open(encoding="utf-8") as file:
        rows = [row for row, _ in zip(csv.DictReader(file), range(count))]
    for index, row in enumerate(rows):
        tokens, answer, ids = int(row["input_tokens"]), int(row["output_tokens"]), block_ids(row["blocks"])
        known = next((i for i, block in enumerate(ids) if block not in made_by), len(ids))
        earlier, keep, start = None, None, 0
        if joined and known > 1:
            fits = [i for i in ended.get(ids[known - 1], ()) if requests[i].tokens + requests[i].answer < tokens]
            if fits:
                earlier = fits[-1]
                start = requests[earlier].tokens + requests[earlier].answer
        if joined and known > 0 and earlier is None:  # blocks stand for the tokens that they stood for before
            earlier, start = made_by[ids[known - 1]], min(known * BLOCK, tokens)
            keep = start
        requests.append(Request(earlier, keep, lambda i=ids, s=start, t=tokens: blocks_text(i, s, t), answer, tokens))
        for block in ids:
            made_by.setdefault(block, index)
        if tokens >= BLOCK:
            ended.setdefault(ids[tokens // BLOCK - 1], []).append(index)
    return requests


def agents(count, seed=0, at_once=64):
    """About `count` requests of agents that use tools: median 33 turns, prompts of some 20,000 tokens, short answers.

    An agent begins with instructions and tools that its kind shares (4 kinds, 3,000 to 9,000 tokens) and a task of its
    own. Each turn adds what a tool said (median 350 tokens, at most 8,000) and asks for an answer (median 60). One turn in
    25 goes back to an earlier answer and tries again from there; an agent beyond 48,000 tokens goes on from its
    instructions with a summary. `at_once` agents take turns, some hurried and some slow.
    """
    draw = numpy.random.default_rng([2, seed])
    kinds = [int(length) for length in draw.integers(3000, 9000, 4)]
    requests, running, begun = [], [], 0
    while len(requests) < count:
        while len(running) < at_once:
            turns = max(2, int(draw.lognormal(numpy.log(33), 0.7)))
            running.append({"kind": int(draw.choice(4, p=[0.5, 0.3, 0.15, 0.05])), "turns": turns, "own": [],
                            "pace": draw.lognormal(0, 1), "name": begun})
            begun += 1
        pace = numpy.array([agent["pace"] for agent in running])
        agent = running[draw.choice(len(running), p=pace / pace.sum())]
        own, kind = agent["own"], agent["kind"]
        answer = int(numpy.clip(draw.lognormal(numpy.log(60), 0.8), 8, 600))
        said = int(numpy.clip(draw.lognormal(numpy.log(350), 1.1), 20, 8000))
        seed_of = (3, seed, len(requests))
        if not own or requests[own[-1]].tokens > 48_000:
            first = kinds[kind]
            own.clear()
            request = Request(None, None, lambda f=first, k=kind, s=said, w=seed_of: numpy.concatenate(
                [words(f, 4, seed, k), words(s + 200, *w)]), answer, first + said + 200)
        else:
            if len(own) > 2 and draw.random() < 1 / 25:
                del own[int(draw.integers(1, len(own))) :]
            earlier = own[-1]
            request = Request(earlier, None, lambda s=said, w=seed_of: words(s, *w), answer,
                              requests[earlier].tokens + requests[earlier].answer + said)
        own.append(len(requests))
        requests.append(request)
        agent["turns"] -= 1
        if agent["turns"] == 0:
            running.remove(agent)
    return requests
