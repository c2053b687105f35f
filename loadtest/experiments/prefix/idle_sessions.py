"""Many conversations that nobody goes on with for now: what they take, and how soon each goes on, also after kill -9.

    python loadtest/experiments/prefix/idle_sessions.py [--build BUILD] [--sessions 10000] [--resume 300] [--backend fake]

Each is a response of /v1/responses with `store`, of some 450 tokens (less than 256 are sooner computed than read). A
resumed one is asked on with previous_response_id and streamed. The disk tier and the store lie in --folder, or else where
temporary files do. The first token of one that is resumed is compared with the soonest of three more, when its state is
on the device.
"""

import concurrent.futures
import http.client
import json
import os
import pathlib
import random
import signal
import sys
import tempfile
import threading
import time
import urllib.parse

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1]))
from harness import ROOT, memory_bytes, metrics, parser, serving, table  # noqa: E402

WORDS = (ROOT / "tests/golden/texts/lost_world.txt").read_text(encoding="utf-8").split()
HITS, HIT_TOKENS = ([f'batucada_prefix_{what}_total{{tier="{tier}"}}' for tier in ("device", "host")]
                    for what in ("hits", "hit_tokens"))


class Client:
    def __init__(self, url):
        self.connection = http.client.HTTPConnection(urllib.parse.urlsplit(url).netloc, timeout=300)

    def respond(self, **body):
        """(id, usage, seconds to the first text)"""
        begun, first, response = time.perf_counter(), None, None
        self.connection.request("POST", "/v1/responses", json.dumps({**body, "stream": True, "temperature": 0}),
                                {"content-type": "application/json"})
        stream = self.connection.getresponse()
        if stream.status != 200:
            sys.exit(f"{stream.status}: {stream.read().decode()}")
        for line in stream:
            if first is None and line.startswith(b"event: response.output_text.delta"):
                first = time.perf_counter() - begun
            if line.startswith(b"data: ") and b'"response.completed"' in line or b'"response.incomplete"' in line:
                response = json.loads(line[6:])["response"]
        stream.read()
        return response["id"], response["usage"], first or time.perf_counter() - begun


def create(url, count, workers):
    """Their ids, in no order."""
    local = threading.local()

    def one(index):
        if not hasattr(local, "client"):
            local.client = Client(url)
        draw = random.Random(index)
        start = draw.randrange(len(WORDS) - 320)
        said = f"{index} {' '.join(WORDS[start : start + 320])}"
        return local.client.respond(input=said, max_output_tokens=16, store=True)[0]

    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        return list(pool.map(one, range(count)))


def written(url):
    """Waits until nothing more goes to the disk; the metrics."""
    last = None
    while True:
        now = metrics(url)
        if last is not None and now["batucada_prefix_disk_writes_total"] == last:
            return now
        last = now["batucada_prefix_disk_writes_total"]
        time.sleep(1)


def resume(url, ids):
    """[(tokens, cached, seconds to the first text, the same once more)], and hits by tier, reads from the disk"""
    client, before, seen = Client(url), metrics(url), []
    for name in ids:
        asked = {"previous_response_id": name, "input": "And then?", "max_output_tokens": 1, "store": False}
        _, usage, first = client.respond(**asked)
        seen.append([usage["input_tokens"], usage["input_tokens_details"]["cached_tokens"], first])
    now = metrics(url)
    tiers = [now[name] - before[name] for name in [*HITS, "batucada_prefix_disk_reads_total"]]
    hit = sum(now[name] - before[name] for name in HIT_TOKENS)
    if hit != sum(cached for _, cached, _ in seen):
        sys.exit(f"the metrics count {hit} cached tokens, the answers {sum(cached for _, cached, _ in seen)}")
    for row, name in zip(seen, ids):  # the states are where they were last used
        asked = {"previous_response_id": name, "input": "And then?", "max_output_tokens": 1, "store": False}
        client.respond(**asked)
        row.append(min(client.respond(**asked)[2] for _ in range(3)))
    return seen, tiers


def part(values, share):
    return f"{sorted(values)[min(int(len(values) * share), len(values) - 1)] * 1e3:.2f}"


def row(what, seen, tiers):
    more = [first - again for _, _, first, again in seen]
    firsts, again = [s[2] for s in seen], [s[3] for s in seen]
    return [what, len(seen), sum(cached > 0 for _, cached, *_ in seen),
            f"{sum(s[1] for s in seen) / sum(s[0] for s in seen):.1%}", *map(int, tiers), part(firsts, 0.5),
            part(firsts, 0.99), part(again, 0.5), part(more, 0.5), part(more, 0.99)]


def main():
    flags = parser(__doc__)
    flags.add_argument("--sessions", type=int, default=10_000)
    flags.add_argument("--resume", type=int, default=300)
    flags.add_argument("--backend", default="fake")
    flags.add_argument("--workers", type=int, default=4)
    flags.add_argument("--max-sequences", type=int, default=512)
    flags.add_argument("--host-cache", default="1GiB")
    flags.add_argument("--disk-cache-size", default="10GiB")
    flags.add_argument("--folder")
    options = flags.parse_args()
    draw, rows = random.Random(1), []
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        bare = ["--prefix-cache", "on", "--host-cache", options.host_cache, "--max-sequences", options.max_sequences,
                "--threads", 1, *(["--fake-step-time", "0ms"] if options.backend == "fake" else [])]
        server = [*bare, "--disk-cache", f"{folder}/disk", "--disk-cache-size", options.disk_cache_size, "--store",
                  f"{folder}/store"]
        with serving(options, *server, backend=options.backend) as (process, url):
            metrics(url)
            at_first, begun = memory_bytes(process), time.monotonic()
            ids = create(url, options.sessions, options.workers)
            took, now = time.monotonic() - begun, written(url)
            draw.shuffle(ids)
            at_last = memory_bytes(process)
            stored = sum(file.stat().st_size for file in pathlib.Path(folder, "store").iterdir())
            rows.append(row("while it runs", *resume(url, ids[: options.resume])))
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
        begun = time.monotonic()
        with serving(options, *server, backend=options.backend) as (process, url):
            started, there = time.monotonic() - begun, metrics(url)
            rows.append(row("after kill -9", *resume(url, ids[options.resume : 2 * options.resume])))
            restarted = memory_bytes(process)
        begun = time.monotonic()
        with serving(options, *bare, backend=options.backend):
            without = time.monotonic() - begun
    table(["sessions", "created in s", "checkpoints on the host", "on the disk", "disk MiB", "store MiB",
           "memory MiB before", "after", "after the restart", "starts in s", "without these in s", "found on the disk"],
          [[len(ids), f"{took:.0f}", int(now['batucada_prefix_checkpoints{tier="host"}']),
            int(now["batucada_prefix_disk_checkpoints"]), now["batucada_prefix_disk_bytes"] / 2**20, stored / 2**20,
            at_first / 2**20, at_last / 2**20, restarted / 2**20, f"{started:.2f}", f"{without:.2f}",
            int(there["batucada_prefix_disk_checkpoints"])]])
    print()
    table(["resumed", "of them", "hits", "of their tokens", "from the device", "host", "read from the disk",
           "p50 TTFT ms", "p99", "p50 once more", "p50 of the difference", "p99"], rows)


if __name__ == "__main__":
    main()
