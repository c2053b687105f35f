"""Whether a served model recalls a key from anywhere in its prompt: accuracy by length and depth, as JSON and as a picture.

    python loadtest/experiments/recall.py --url http://127.0.0.1:8000 [--keys 1,2] [--filler noise,books] [--trials 100]
    python loadtest/experiments/recall.py --draw recall.json

For any server of the OpenAI API and any model: prompts are text, sent to /v1/completions at temperature 0. A key of five
digits ("The pass key is 40917. Remember it. 40917 is the pass key.") lies at some depth of a text, 0 at its beginning, 1 at
its end, and is asked for after it ("What is the pass key? The pass key is"). With two keys, a red and a blue one, the one
asked for lies at that depth and the other anywhere. The filler is the noise of the pass-key task (arXiv 2305.16300) or text
of books from a random place on. Lengths are tokens as the server counts them; how long a text that is is learnt from its
own counts. An answer is right if it begins with the key.
"""

import argparse
import concurrent.futures
import json
import pathlib
import random
import sys
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
INTRO = ("There is an important info hidden inside a lot of irrelevant text. Find it and memorize it. "
         "I will quiz you about the important information there.\n")
NOISE = "The grass is green. The sky is blue. The sun is yellow. Here we go. There and back again."
NAMES = {1: ["pass"], 2: ["red", "blue"]}


class Server:
    def __init__(self, url, model):
        self.url, self.model = url.rstrip("/"), model
        if not model:
            with urllib.request.urlopen(f"{self.url}/v1/models", timeout=60) as answer:
                self.model = json.load(answer)["data"][0]["id"]

    def complete(self, prompt, max_tokens):
        """(text, prompt's tokens)"""
        body = json.dumps({"model": self.model, "prompt": prompt, "max_tokens": max_tokens, "temperature": 0})
        request = urllib.request.Request(f"{self.url}/v1/completions", body.encode(), {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=3600) as response:
            answer = json.load(response)
        return answer["choices"][0]["text"], answer["usage"]["prompt_tokens"]


class Haystack:
    """Filler made of whole words, cut to a number of the server's tokens."""

    def __init__(self, server, kind, files):
        self.kind = kind
        text = " ".join([NOISE] * 200) if kind == "noise" else "\n\n".join(f.read_text() for f in files)
        self.words = text.split(" ")
        sample = " ".join(self.words[:4000])
        self.tokens_per_word = (server.complete(sample, 1)[1] - server.complete("", 1)[1] if self.allows_empty(server)
                                else server.complete(sample, 1)[1]) / len(self.words[:4000])

    @staticmethod
    def allows_empty(server):
        try:
            server.complete("", 1)
            return True
        except urllib.error.HTTPError:
            return False

    def cut(self, tokens, rng):
        count = max(1, int(tokens / self.tokens_per_word))
        first = rng.randrange(len(self.words))
        return [self.words[(first + i) % len(self.words)] for i in range(count)]


def statement(name, key):
    return f" The {name} key is {key}. Remember it. {key} is the {name} key.\n"


def make_prompt(haystack, tokens, keys, depths, rng):
    words = haystack.cut(tokens, rng)
    pieces, last = [INTRO], 0
    for depth, name in sorted(zip(depths, keys)):
        cut = int(depth * len(words))
        pieces += [" ".join(words[last:cut]), statement(name, keys[name])]
        last = cut
    asked = next(iter(keys))
    return "".join(pieces) + " ".join(words[last:]) + f"\nWhat is the {asked} key? The {asked} key is"


def trial(server, haystack, count, length, depth, seed, room):
    """(whether right, prompt's tokens). `room`: tokens of a prompt that are not filler."""
    rng = random.Random(seed)
    names = rng.sample(NAMES[count], count)
    keys = {name: f"{rng.randrange(10**5):05d}" for name in names}
    prompt = make_prompt(haystack, length - room, keys, [depth, rng.random()][:count], rng)
    text, tokens = server.complete(prompt, 8)
    return text.strip().startswith(keys[names[0]]), tokens


def measure(options):
    server = Server(options.url, options.model)
    result = {"model": server.model, "trials": options.trials, "depths": options.depths, "lengths": options.lengths,
              "tables": []}
    for kind in options.filler:
        haystack = Haystack(server, kind, options.books)
        for count in options.keys:
            keys = dict.fromkeys(NAMES[count], "01234")
            bare = make_prompt(haystack, 1, keys, [0.0] * count, random.Random(0))
            room = server.complete(bare, 1)[1] - 1
            table = {"keys": count, "filler": kind, "accuracy": [], "prompt_tokens": []}
            for length in options.lengths:
                begin, row, longest = time.monotonic(), [], 0
                for depth in options.depths:
                    seeds = [f"{options.seed} {kind} {count} {length} {depth} {i}" for i in range(options.trials)]
                    with concurrent.futures.ThreadPoolExecutor(options.concurrency) as pool:
                        answers = list(pool.map(lambda seed: trial(server, haystack, count, length, depth, seed, room), seeds))
                    row.append(sum(right for right, _ in answers) / options.trials)
                    longest = max(longest, *(tokens for _, tokens in answers))
                table["accuracy"].append(row)
                table["prompt_tokens"].append(longest)
                print(f"{kind:6} {count} key{'s' if count > 1 else ' '} {length:8,}: "
                      + "  ".join(f"{cell:4.0%}" for cell in row) + f"   {time.monotonic() - begin:.0f} s", flush=True)
            result["tables"].append(table)
            options.output.write_text(json.dumps(result, indent=1) + "\n")
    return result


# ---- the picture

CELL, ROW, LEFT, TOP, GAP = 56, 30, 64, 54, 40
FILLER = {"noise": "noise", "books": "text of books", "mixed": "noise and books in turn"}


def colour(share):
    """White to green; what fails is seen at once."""
    low, high = (247, 238, 232), (38, 139, 90)
    return "#" + "".join(f"{round(a + (b - a) * share**2):02x}" for a, b in zip(low, high))


def short(length):
    return f"{length // 1024}K" if length % 1024 == 0 else f"{length:,}"


def panel(table, result, x, y):
    lengths, depths = result["lengths"], result["depths"]
    name = f"{'one key' if table['keys'] == 1 else 'two keys'}, {FILLER[table['filler']]} between"
    parts = [f'<text x="{x + LEFT}" y="{y + 20}" font-weight="bold">{name}</text>']
    for i, length in enumerate(lengths):
        parts.append(f'<text x="{x + LEFT + CELL * (i + 0.5)}" y="{y + TOP - 8}" text-anchor="middle">{short(length)}</text>')
    for j, depth in enumerate(depths):
        parts.append(f'<text x="{x + LEFT - 8}" y="{y + TOP + ROW * j + 20}" text-anchor="end">{depth:.0%}</text>')
        for i in range(len(lengths)):
            share = table["accuracy"][i][j]
            left, top = x + LEFT + CELL * i, y + TOP + ROW * j
            ink = "#ffffff" if share > 0.75 else "#333333"
            parts.append(f'<rect x="{left}" y="{top}" width="{CELL - 2}" height="{ROW - 2}" rx="3" fill="{colour(share)}"/>'
                         f'<text x="{left + CELL / 2 - 1}" y="{top + 19}" text-anchor="middle" fill="{ink}">{round(100 * share)}</text>')
    return parts


def draw(result):
    """SVG: a panel for each table, two beside each other; length across, depth down, accuracy in %."""
    columns = min(2, len(result["tables"]))
    rows = -(-len(result["tables"]) // columns)
    width = max(380, LEFT + CELL * len(result["lengths"]) + GAP // 2)  # a panel's name fits
    height = TOP + ROW * len(result["depths"]) + GAP // 2
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{columns * width}" height="{rows * height + 56}" '
             'font-family="system-ui, sans-serif" font-size="13" fill="#333333">',
             '<rect width="100%" height="100%" fill="#ffffff"/>',
             f'<text x="16" y="26" font-size="16" font-weight="bold">Keys recalled, % of {result["trials"]} trials: '
             f'{result["model"]}</text>',
             '<text x="16" y="44" fill="#666666">prompt length in tokens across, depth of the key down</text>']
    for n, table in enumerate(result["tables"]):
        parts += panel(table, result, n % columns * width, 50 + n // columns * height)
    return "\n".join([*parts, "</svg>"]) + "\n"


def listed(kind):
    return lambda text: [kind(part) for part in text.split(",")]


def tokens(text):
    return int(text[:-1]) * 1024 if text[-1] in "kK" else int(text)


def main():
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--url", default="http://127.0.0.1:8000")
    flags.add_argument("--model", help="the server's first if not given")
    flags.add_argument("--lengths", type=listed(tokens), default=listed(tokens)("1K,4K,16K,64K,128K,256K"))
    flags.add_argument("--depths", type=listed(float), default=[0, 0.25, 0.5, 0.75, 1])
    flags.add_argument("--keys", type=listed(int), default=[1, 2])
    flags.add_argument("--filler", type=listed(str), default=["noise", "books"])
    flags.add_argument("--books", type=pathlib.Path, nargs="+", default=sorted((ROOT / "tests/golden/texts").glob("*.txt")))
    flags.add_argument("--trials", type=int, default=100, help="a cell")
    flags.add_argument("--concurrency", type=int, default=16)
    flags.add_argument("--seed", type=int, default=1)
    flags.add_argument("--output", type=pathlib.Path, default=pathlib.Path("recall.json"))
    flags.add_argument("--draw", type=pathlib.Path, help="measure nothing, draw these results")
    flags.add_argument("--picture", type=pathlib.Path, help="the results' name with .svg if not given")
    options = flags.parse_args()
    if not set(options.keys) <= set(NAMES) or not set(options.filler) <= {"noise", "books"}:
        sys.exit("--keys: 1, 2 or both; --filler: noise, books or both")
    result = json.loads(options.draw.read_text()) if options.draw else measure(options)
    (options.picture or (options.draw or options.output).with_suffix(".svg")).write_text(draw(result))


if __name__ == "__main__":
    main()
