"""How much of what a cache of prefixes could give the server's gives, for caches of several sizes and other policies.

    python loadtest/experiments/prefix/replay.py mooncake|agents [--build BUILD] [--requests N] [--sizes 256,1024,…]

The fake backend, whose answers depend on all that came before. One request after the other, so that a run can be
repeated exactly, in the order of the trace, with its lengths. "Reachable" is what a cache of every token ever seen would
have given: as many tokens as a prompt has in common with the longest beginning of an earlier prompt and answer. A size
is a number of checkpoints on the host, of which a quarter are on the device too (the fake backend has four times as many
places on the host as sequences); with --disk so many times as many on the disk. There a record of the fake backend is as
large as its text: a disk that does not end with that number, give or take 3%, is made smaller or larger, and all is done
again. Every answer must be the same for every size, and what they say of cached tokens what the metrics count.
"""

import http.client
import json
import math
import pathlib
import sys
import tempfile
import time
import urllib.parse

import numpy

import policies
import workloads
from texts import Texts

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1]))
from harness import metrics, parser, serving, table  # noqa: E402

HIT = ['batucada_prefix_hit_tokens_total{tier="device"}', 'batucada_prefix_hit_tokens_total{tier="host"}']


class Client:
    """One connection: prompts and answers are token ids."""

    def __init__(self, url):
        self.connection = http.client.HTTPConnection(urllib.parse.urlsplit(url).netloc, timeout=120)

    def ask(self, prompt, answer):
        """(answer's ids, cached tokens, seconds to the first token)"""
        body = f'{{"prompt":[{",".join(map(str, prompt.tolist()))}],"max_tokens":{answer},"ignore_eos":true,"stream":true,' \
               '"temperature":0,"return_token_ids":true,"stream_options":{"include_usage":true}}'
        begun = time.perf_counter()
        self.connection.request("POST", "/v1/completions", body, {"content-type": "application/json"})
        response = self.connection.getresponse()
        if response.status != 200:
            sys.exit(f"{response.status}: {response.read().decode()}")
        ids, usage, first = [], None, None
        for line in response:
            if not line.startswith(b"data: {"):
                continue
            if b'"token_ids":[]' in line:
                continue  # the prompt's ids, which may come before anything is computed
            event = json.loads(line[6:])
            for choice in event["choices"]:
                ids += choice["token_ids"]
            first = first or (time.perf_counter() - begun if ids else None)
            usage = event["usage"] if event.get("usage") else usage
        response.read()  # the end of the chunks, or the connection cannot be used again
        if len(ids) != answer:
            sys.exit(f"{len(ids)} tokens for {answer}")
        return numpy.array(ids, numpy.int32), usage["prompt_tokens_details"]["cached_tokens"], first


def replay(url, requests):
    """[(prompt, answer, cached tokens, seconds to the first token)]"""
    client, texts, done = Client(url), {}, []
    last_use = {request.goes_on: index for index, request in enumerate(requests)}
    for index, request in enumerate(requests):
        prompt = request.prompt(texts)
        answer, cached, first = client.ask(prompt, request.answer)
        if index in last_use:
            texts[index] = numpy.concatenate([prompt, answer])
        if request.goes_on is not None and last_use[request.goes_on] == index:
            del texts[request.goes_on]
        done.append((prompt, answer, cached, first))
    return done


def run(options, requests, size, disk_bytes):
    """(what replay returns, metrics at the end)"""
    with tempfile.TemporaryDirectory(dir=options.disk_folder) as folder:
        flags = ["--prefix-cache", "on", "--host-cache", "1GiB", "--max-sequences", size // 4, "--fake-step-time", "0ms",
                 "--threads", 1]
        if disk_bytes:
            flags += ["--disk-cache", folder, "--disk-cache-size", f"{disk_bytes}B"]
        with serving(options, *flags) as (_, url):
            done = replay(url, requests)
            now = metrics(url)
    counted, said = sum(now[name] for name in HIT), sum(cached for _, _, cached, _ in done)
    looked_up = now["batucada_prefix_lookup_tokens_total"], sum(len(prompt) for prompt, *_ in done)
    host = now['batucada_prefix_checkpoints_capacity{tier="host"}']
    if host != size:
        sys.exit(f"the host has room for {host} checkpoints, not {size}")
    if counted != said or looked_up[0] != looked_up[1]:
        sys.exit(f"answers say {said} cached tokens of {looked_up[1]}, the metrics {counted} of {looked_up[0]}")
    return done, now


def run_with_records(options, requests, size, records, record_bytes):
    """Likewise, with a disk for so many records."""
    for _ in range(4):
        done, now = run(options, requests, size, math.ceil(records * record_bytes))
        stored = now.get("batucada_prefix_disk_checkpoints", 0)
        if now.get("batucada_prefix_disk_dropped_total", 0) == 0 or abs(stored / records - 1) < 0.03:
            break
        record_bytes *= records / stored
    return done, now


def milliseconds(seconds, part):
    return f"{numpy.quantile(numpy.array(seconds), part) * 1e3:,.1f}"


def pretend(requests):
    """What replay returns, with answers that are drawn, and no server."""
    texts, done = [], []
    for index, request in enumerate(requests):
        prompt, answer = request.prompt(texts), workloads.words(request.answer, 5, index)
        texts.append(numpy.concatenate([prompt, answer]))
        done.append((prompt, answer, 0, 0))
    return done


def facts(texts, visits, answered):
    total, reachable = sum(v.tokens for v in visits), sum(v.reachable for v in visits)
    print(f"{len(visits)} requests, {total:,} prompt tokens (median {int(numpy.median([v.tokens for v in visits])):,}), "
          f"{answered:,} answered; reachable {reachable:,}, {reachable / total:.1%}; {len(texts.length):,} places\n", flush=True)
    return total, reachable


def baselines(options, texts, visits, sizes, reachable):
    rows = []
    for size in [*sizes, 0]:
        def share(cache):
            return policies.hits(visits, cache).sum() / reachable
        marconi = {alpha: share(policies.Marconi(texts, size, float(alpha)))
                   for alpha in (options.alphas.split(",") if size else ["0"])}
        best = max(marconi, key=marconi.get)
        rows.append([size or "unbounded", f"{share(policies.Batucada(texts, size)):.1%}",
                     f"{share(policies.Cache(texts, size)):.1%}", f"{marconi[best]:.1%}", best if size else ""])
        print(rows[-1], file=sys.stderr, flush=True)
    table(["checkpoints", "Batucada's policy, simulated", "LRU", "Marconi", "its α"], rows)


def main():
    flags = parser(__doc__)
    flags.add_argument("workload", choices=["mooncake", "mooncake-blocks", "agents"])
    flags.add_argument("--requests", type=int, default=3000)
    flags.add_argument("--sizes", default="32,128,512", help="checkpoints on the host, multiples of 4")
    flags.add_argument("--disk", type=int, default=8, help="times as many on the disk; 0: none")
    flags.add_argument("--disk-folder", help="where the disk tier lies while it runs")
    flags.add_argument("--prefill", type=float, default=151_000, help="tokens a second that a real model computes")
    flags.add_argument("--alphas", default="0.5,2,8", help="of Marconi's policy: the best is shown")
    flags.add_argument("--no-baselines", action="store_true")
    flags.add_argument("--simulate", action="store_true", help="the policies alone, without a server")
    options = flags.parse_args()
    if options.workload == "agents":
        requests = workloads.agents(options.requests)
    else:
        requests = workloads.mooncake(options.requests, joined=options.workload == "mooncake")
    sizes = [int(size) for size in options.sizes.split(",")]
    mean_record = 4 * sum(request.tokens for request in requests) / len(requests) + 100
    texts, visits, answers, rows = Texts(), [], None, []
    if options.simulate:
        visits = [policies.Visit(texts, prompt, answer) for prompt, answer, *_ in pretend(requests)]
        _, reachable = facts(texts, visits, sum(request.answer for request in requests))
        baselines(options, texts, visits, sizes, reachable)
        return
    for size in sizes:
        for disk in dict.fromkeys([0, options.disk]):
            began = time.monotonic()
            done, now = run_with_records(options, requests, size, size * disk, mean_record)
            if answers is None:
                answers = [answer for _, answer, _, _ in done]
                visits = [policies.Visit(texts, prompt, answer) for prompt, answer, _, _ in done]
                total, reachable = facts(texts, visits, sum(map(len, answers)))
            if not all(numpy.array_equal(a, b) for a, (_, b, _, _) in zip(answers, done)):
                sys.exit(f"an answer with {size} checkpoints differs")
            cached = sum(c for _, _, c, _ in done)
            model = [(len(prompt) - c) / options.prefill for prompt, _, c, first in done]
            measured = [first for *_, first in done]
            rows.append([size, size * disk, f"{cached / reachable:.1%}", f"{cached / total:.1%}",
                         milliseconds(measured, 0.5), milliseconds(measured, 0.99), milliseconds(model, 0.5),
                         milliseconds(model, 0.9), milliseconds(model, 0.99), f"{numpy.mean(model) * 1e3:,.1f}",
                         int(now["batucada_prefix_missed_tokens_total"]),
                         int(now['batucada_prefix_evictions_total{tier="host"}']),
                         int(now.get("batucada_prefix_disk_reads_total", 0)),
                         int(now.get("batucada_prefix_disk_checkpoints", 0)),
                         f"{now['batucada_prefix_checkpoints_written_total'] / len(requests):.2f}",
                         f"{now.get('batucada_prefix_disk_writes_total', 0) / len(requests):.2f}", f"{time.monotonic() - began:.0f}"])
            print(rows[-1], file=sys.stderr, flush=True)
    table(["host", "disk", "of reachable", "of all tokens", "p50 TTFT ms", "p99", "p50 prefill ms", "p90", "p99",
           "mean", "seen, computed again", "evicted from the host", "read from the disk", "on the disk",
           "taken for a request", "written to the disk for one", "seconds"], rows)
    if not options.no_baselines:
        print()
        baselines(options, texts, visits, [*sizes, *([sizes[-1] * options.disk] if options.disk else [])], reachable)


if __name__ == "__main__":
    main()
