"""Ids and speed of our tokenizer beside Hugging Face's `tokenizers`, in one run, one thread each.

    python3 -m venv build/venv && build/venv/bin/pip install tokenizers==0.23.3
    build/venv/bin/python tests/text/compare_tokenizers.py build/bin/tokenizer_bench [--strings 3000]

Ids must be equal on three whole books and on random strings, for the embedded model and for every fixture; the exit
status says whether they are. Speed is that of encoding a whole book in one call and of its paragraphs one by one, ids
only (encode_batch_fast, which skips offsets, is the fastest the library has), by the processor time of the thread.
"""
import argparse
import json
import os
import pathlib
import random
import statistics
import subprocess
import time
import unicodedata

os.environ["TOKENIZERS_PARALLELISM"] = "false"
from tokenizers import Tokenizer  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
BOOKS = sorted((ROOT / "tests/golden/texts").glob("*.txt"))
ROUNDS = 15


def random_strings(count, specials, seed):
    generator = random.Random(seed)
    telling = list("    \n\n\t\r'stdmlrve.,!?019abcXYZ<|>") + [
        "é", "e\u0301", "\u2581", "中", "😀", "👍🏽", "\u00a0", "\u3000", "\u2028", "\u200b", "\u200d", "\u0085", "ﬁ", "ſ", "İ", "ß",
        "Ω", "٣", "²", "¼", "\u0000", "\ufeff", "\ufffd", "don't", "the", " and", "Tea", "Ġ"] + specials

    def character():
        # Only characters of Unicode 3.2: the libraries behind the two sides know different later versions, ours 15, the
        # other one 9 for normal forms and 16 for regular expressions.
        while True:
            c = generator.randrange(0x110000) >> generator.randrange(20)
            if not 0xD800 <= c < 0xE000 and unicodedata.ucd_3_2_0.category(chr(c)) != "Cn":
                return chr(c)

    strings = []
    for _ in range(count):
        parts = [generator.choice(telling) if generator.random() < 0.8 else character()
                 for _ in range(generator.randint(1, 40))]
        strings.append("".join(parts))
    return strings


def ours(bench, directory, texts):
    lines = "".join(json.dumps(text) + "\n" for text in texts)
    output = subprocess.run([bench, "--lines", directory], input=lines, capture_output=True, text=True, check=True).stdout
    return [json.loads(line) for line in output.split("\n") if line]


def compare(bench, directory, texts):
    tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
    different = 0
    for text, got in zip(texts, ours(bench, directory, texts), strict=True):
        tokenizer.encode_special_tokens = False
        ids = tokenizer.encode(text).ids
        tokenizer.encode_special_tokens = True
        plain = tokenizer.encode(text, add_special_tokens=False).ids
        expected = {"ids": ids, "plain_ids": plain, "decoded": tokenizer.decode(ids, skip_special_tokens=True)}
        if expected != got:
            different += 1
            if different <= 3:
                keys = [key for key in expected if expected[key] != got[key]]
                print(f"  differs in {keys}: {text[:200]!r}")
                for key in keys[:1]:
                    print(f"    expected {str(expected[key])[:300]}\n    got      {str(got[key])[:300]}")
    return different


def hugging_face_speed(directory, text):
    """MB/s on the whole text and on its paragraphs."""
    tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
    speeds = {}
    for what, texts in (("whole", [text]), ("paragraphs", text.split("\n\n"))):
        seconds = []
        for _ in range(ROUNDS):
            begin = time.thread_time()  # of this core alone: other work on the machine does not count
            tokenizer.encode_batch_fast(texts)
            seconds.append(time.thread_time() - begin)
        speeds[what] = len(text.encode()) / statistics.median(seconds) / 1e6
    return speeds


def our_speed(bench, directory, book):
    output = subprocess.run([bench, directory, book], capture_output=True, text=True, check=True).stdout
    medians = {line.split()[1]: float(line.split("median")[1].split()[0]) for line in output.splitlines()}
    return {"whole": medians["encode"], "paragraphs": medians["paragraphs"]}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("bench", help="the tokenizer_bench binary")
    parser.add_argument("--strings", type=int, default=3000, help="random strings for each tokenizer")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    embedded = ROOT / "models/samba-classics-18m"
    directories = [embedded] + sorted(path.parent for path in (ROOT / "tests/text/fixtures").glob("*/tokenizer.json"))
    failures = 0
    for directory in directories:
        specials = [t["content"] for t in json.loads((directory / "tokenizer.json").read_text())["added_tokens"]]
        texts = random_strings(arguments.strings, specials, arguments.seed) + [book.read_text() for book in BOOKS]
        different = compare(arguments.bench, directory, texts)
        failures += different
        print(f"{directory.name:22} {len(texts)} texts, {different} differ")
    print(f"\n{'tokenizer':22} {'book':26} {'':10} {'ours':>9} {'theirs':>9}   MB/s, medians of {ROUNDS}")
    for directory in [embedded] + [ROOT / "tests/text/fixtures" / name for name in ("llama2", "llama3", "gpt2")]:
        for book in BOOKS:
            mine = our_speed(arguments.bench, directory, book)
            for what, speed in hugging_face_speed(directory, book.read_text()).items():
                print(f"{directory.name:22} {book.name:26} {what:10} {mine[what]:9.2f} {speed:9.2f}   {mine[what] / speed:5.1f}x")
    raise SystemExit(1 if failures else 0)


if __name__ == "__main__":
    main()
