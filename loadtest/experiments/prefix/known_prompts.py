"""How soon a long prompt that is known has its first token, by how it is asked for.

    python loadtest/experiments/prefix/known_prompts.py [--build BUILD] [--model DIR] [--backend cpu] [--tokens 131072]
        [--conversations 1] [--rounds 10] [--folder FOLDER] [-- FLAGS OF THE SERVER]

Conversations of token ids take turns; each goes on with what was answered and five ids more. One of text goes on with a
sentence, as a prompt and by previous_response_id. Which tier their states come from depends on how many there are and on the
server's flags (--prefix-cache-memory, --host-cache, --disk-cache-size); the metrics say which it was. Bodies are made before
the clock runs, which stops at the first token's event, of /v1/responses at the end of an answer of one token. The disk's
files lie in --folder, or else where temporary files do, and in the system's page cache.
"""

import http.client
import json
import pathlib
import random
import statistics
import sys
import tempfile
import time
import urllib.parse

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1]))
from harness import MODEL, ROOT, metrics, parser, serving, table  # noqa: E402

HITS = {tier: f'batucada_prefix_hits_total{{tier="{tier}"}}' for tier in ("device", "host")}
READS, WRITES = "batucada_prefix_disk_reads_total", "batucada_prefix_disk_writes_total"


class Client:
    def __init__(self, url):
        self.url = url
        self.connection = http.client.HTTPConnection(urllib.parse.urlsplit(url).netloc, timeout=600)

    def ask(self, path, body):
        """(seconds to the first event with news, all events)"""
        data, first, events = json.dumps({**body, "stream": True, "temperature": 0}).encode(), None, []
        begun = time.perf_counter()
        self.connection.request("POST", path, data, {"content-type": "application/json"})
        stream = self.connection.getresponse()
        if stream.status != 200:
            sys.exit(f"{stream.status}: {stream.read().decode()}")
        for line in stream:
            if not line.startswith(b"data: ") or line.startswith(b"data: [DONE]"):
                continue
            if first is None and b'"choices"' in line:
                first = time.perf_counter() - begun
            events.append(line[6:])
        stream.read()
        return first or time.perf_counter() - begun, [json.loads(event) for event in events]

    def complete(self, prompt, tokens=4):
        """(seconds to the first token, the ids that came, cached tokens)"""
        # return_token_ids would have an event before the first token, of the prompt's.
        asked = {"prompt": prompt, "max_tokens": tokens, "ignore_eos": True, "logprobs": 0,
                 "return_tokens_as_token_ids": True, "stream_options": {"include_usage": True}}
        first, events = self.ask("/v1/completions", asked)
        ids = [int(token.split(":")[1]) for event in events for choice in event["choices"]
               for token in choice["logprobs"]["tokens"]]
        return first, ids, events[-1]["usage"]["prompt_tokens_details"]["cached_tokens"]

    def respond(self, **asked):
        """(seconds to the first token, the response)"""
        first, events = self.ask("/v1/responses", {**asked, "max_output_tokens": 1, "store": True})
        return first, events[-1]["response"]

    def tier_of(self, ask):
        """Where `ask` had its state from, and what it gave."""
        before = metrics(self.url)
        given = ask()
        now = metrics(self.url)
        if now[READS] > before[READS]:
            return "disk", given
        return next((tier for tier, name in HITS.items() if now[name] > before[name]), "none"), given

    def settle(self):
        """Waits until nothing more goes to the disk."""
        last = None
        while last != (now := metrics(self.url)[WRITES]):
            last = now
            time.sleep(0.5)


class Conversation:
    """Of ids, which goes on with every question."""

    def __init__(self, client, draw, tokens, vocabulary):
        self.client, self.draw, self.vocabulary = client, draw, vocabulary
        self.ids = [draw.randrange(vocabulary) for _ in range(tokens)]

    def turn(self):
        first, answer, cached = self.client.complete(self.ids)
        known = len(self.ids)
        self.ids += answer + [self.draw.randrange(self.vocabulary) for _ in range(5)]
        return first, known - cached


def row(what, tiers, seconds, computed):
    ms = sorted(second * 1e3 for second in seconds)
    return [what, ", ".join(f"{tiers.count(tier)} {tier}" for tier in sorted(set(tiers))), len(ms),
            f"{statistics.median(ms):.1f}", f"{ms[0]:.1f}", f"{ms[-1]:.1f}", max(computed, default="")]


def in_turns(client, conversations, rounds):
    tiers, seconds, computed = [], [], []
    for _ in range(rounds):
        for conversation in conversations:
            client.settle()
            where, (first, rest) = client.tier_of(conversation.turn)
            tiers.append(where)
            seconds.append(first)
            computed.append(rest)
    return row("conversations of ids", tiers, seconds, computed)


def of_text(client, draw, size, rounds):
    words = (ROOT / "tests/golden/texts/lost_world.txt").read_text(encoding="utf-8").split()
    text = ""
    while len(text) < size:
        text += " ".join(draw.sample(words, 1000)) + " "
    text = text[:size].rsplit(" ", 1)[0]
    client.complete(text)
    tiers, seconds = [], []
    for index in range(rounds):
        where, (first, *_) = client.tier_of(lambda index=index: client.complete(f"{text} And then, {index}?"))
        tiers.append(where)
        seconds.append(first)
    yield row("text of a prompt", tiers, seconds, [])
    _, response = client.respond(input=text)
    tiers, seconds = [], []
    for _ in range(rounds):
        where, (first, response) = client.tier_of(
            lambda: client.respond(input="And then?", previous_response_id=response["id"]))  # noqa: B023
        tiers.append(where)
        seconds.append(first)
    yield row("by previous_response_id", tiers, seconds, [])
    yield row("a short one, /v1/responses", ["none"] * rounds,
              [client.respond(input=f"And then, {index}?")[0] for index in range(rounds)], [])


def main():
    own, flags = (sys.argv[1:], []) if "--" not in sys.argv else (
        sys.argv[1 : sys.argv.index("--")], sys.argv[sys.argv.index("--") + 1 :])
    options = parser(__doc__)
    options.add_argument("--model", type=pathlib.Path, default=MODEL)
    options.add_argument("--backend", default="cpu")
    options.add_argument("--tokens", type=int, default=131_072)
    options.add_argument("--text-bytes", type=int, default=500_000)
    options.add_argument("--vocabulary", type=int, default=4_000, help="ids are below it")
    options.add_argument("--rounds", type=int, default=10)
    options.add_argument("--conversations", type=int, default=1)
    options.add_argument("--folder")
    options = options.parse_args(own)
    draw, rows = random.Random(1), []
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        server = ["--prefix-cache", "on", "--disk-cache", f"{folder}/disk", "--store", f"{folder}/store", *flags]
        with serving(options, *server, backend=options.backend, model=options.model) as (_, url):
            client = Client(url)

            def short():
                return client.complete([draw.randrange(options.vocabulary) for _ in range(32)])[0]

            def after_a_pause():  # as the conversations below, of which none follows another at once
                client.settle()
                return short()

            short()
            rows.append(row("32 ids", ["none"] * options.rounds, [short() for _ in range(options.rounds)], []))
            rows.append(row("32 ids, after a pause", ["none"] * options.rounds,
                            [after_a_pause() for _ in range(options.rounds)], []))
            conversations = [Conversation(client, draw, options.tokens, options.vocabulary)
                             for _ in range(options.conversations)]
            cold = [client.tier_of(conversation.turn) for conversation in conversations]
            rows.append(row(f"{options.tokens:,} ids, cold", [where for where, _ in cold],
                            [first for _, (first, _) in cold], []))
            rows.append(in_turns(client, conversations, options.rounds))
            rows += of_text(client, draw, options.text_bytes, options.rounds)
    table(["asked", "from", "times", "first token, ms, p50", "least", "most", "ids computed at most"], rows)


if __name__ == "__main__":
    main()
