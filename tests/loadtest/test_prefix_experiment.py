"""What loadtest/experiments/prefix counts with: where texts part, against a plain comparison of all with all."""

import pathlib
import random
import sys

import numpy
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "loadtest/experiments/prefix"))
import policies  # noqa: E402
import texts as tree  # noqa: E402
import workloads  # noqa: E402


def in_common(a, b):
    return next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))


def made_up(seed, count=60):
    """Prompts and answers, many of which go on from earlier ones or part from them."""
    draw, done = random.Random(seed), []
    for _ in range(count):
        earlier = sum(draw.choice(done), []) if done and draw.random() < 0.8 else []
        prompt = earlier[: draw.randint(0, len(earlier))] + [draw.randrange(3) for _ in range(draw.randint(1, 200))]
        done.append((prompt, [draw.randrange(3) for _ in range(draw.randint(1, 40))]))
    return done


def visits(seed):
    there, before, reachable, out = tree.Texts(), [], [], []
    for prompt, answer in made_up(seed):
        reachable.append(min(max((in_common(prompt, text) for text in before), default=0), len(prompt) - 1))
        out.append(policies.Visit(there, numpy.array(prompt, numpy.int32), numpy.array(answer, numpy.int32)))
        before.append(prompt + answer[:-1])
    return there, out, reachable


@pytest.mark.parametrize("seed", range(20))
def test_reachable_is_what_is_in_common(seed):
    _, seen, reachable = visits(seed)
    assert [visit.reachable for visit in seen] == reachable


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("size", [0, 4, 100])
def test_no_policy_gives_what_cannot_be_reached(seed, size):
    there, seen, reachable = visits(seed)
    for cache in policies.Cache(there, size), policies.Batucada(there, size), policies.Marconi(there, size, 1.0):
        got = policies.hits(seen, cache)
        assert (got <= reachable).all() and (size == 4 or got.sum() > 0)
        assert len(cache.slot) <= size or size == 0


def test_endless_memory_makes_policies_equal():
    there, seen, _ = visits(1)
    lru, ours = (policies.hits(seen, kind(there, 0)) for kind in (policies.Cache, policies.Batucada))
    assert (lru == ours).all()


def test_the_trace_s_prompts_have_its_lengths_and_go_on_from_earlier_ones():
    requests, made = workloads.mooncake(200), {}
    for index, request in enumerate(requests):
        prompt = request.prompt(made)
        assert len(prompt) == request.tokens
        made[index] = numpy.concatenate([prompt, workloads.words(request.answer, 9, index)])
    gone_on = [request for request in requests if request.goes_on is not None and request.keep is None]
    assert gone_on and all(request.tokens > requests[request.goes_on].tokens for request in gone_on)


def test_agents_are_the_same_for_a_seed():
    first, again = workloads.agents(300), workloads.agents(300)
    assert [(r.goes_on, r.keep, r.answer, r.tokens) for r in first] == [(r.goes_on, r.keep, r.answer, r.tokens) for r in again]
