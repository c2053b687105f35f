"""Ids and texts of our tokenizer beside Hugging Face's, for every family that is served (family_tokenizers.py).

    build/venv/bin/python tests/text/tokenizer_conformance.py [--texts 30000] [--seed 1] [--families llama3 jamba]

For each family: books of tests/golden/texts, whole and by paragraphs, and random texts, made to be hard: every
script, runs of combining marks, emoji joined and coloured, control characters, runs of spaces, tabs and newlines, numbers,
contractions, special tokens in the midst of words, right-to-left text beside left-to-right. Compared are the ids as
prompts are read and as plain text, what those ids decode to with and without special tokens, and the same for random ids.
Fails if one differs. Takes a sample by default; docs/benchmarks/tokenizers.md has the result of a long run.
"""
import argparse
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time
import unicodedata

os.environ["TOKENIZERS_PARALLELISM"] = "false"
from tokenizers import Tokenizer  # noqa: E402

from family_tokenizers import BOOKS, MARK, SCRIPTS, families, word  # noqa: E402

PROGRAM = pathlib.Path(os.environ["BATUCADA_BINARY"]).with_name("tokenizer_lines")

# The library does not know a special token again, when it decodes, whose normal form has a mark in front: it prints it.
ENCODED_ONLY = {"llama2_older"}

PIECES = {
    "spaces": [" ", "  ", "    ", " " * 9, " " * 25, "\n", "\n\n", "\r\n", "\r", "\t", "\t\t", " \n", "\n ", " \t ", "\u00a0",
               "\u3000", "\u2028", "\u2029", "\u200b", "\u0085", "\u000b", "\u000c", "\u1680", "\u205f", "\ufeff"],
    "contractions": ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d", "'S", "'RE", "’s", "don't", "I'LL", "'ſ", "it'sx", "''s", "'st"],
    "numbers": ["0", "1", "12", "123", "1234", "12345678", "3.14", "1,000", "٣٤٥", "२३", "²", "½", "Ⅷ", "①", "𝟘𝟙", "๓", "1e-5", "0x1F"],
    "punctuation": list("!\"#$%&()*+,-./:;<=>?@[\\]^_`{|}~") + ["...", "--", "//", "://", "/*", "?!", "…", "—", "«»", "。", "、",
                                                                 "॥", "$$", "€", "→", "□", "¿", "++i;", "){\n", "/\n/"],
    "controls": [chr(c) for c in range(0x20)] + ["\x7f", "\u0080", "\u009f", "\u200c", "\u200d", "\u200e", "\u202e", "\u2066", "\ufff9",
                                               "\ufffd", "\ufffe", "\U000e0001", "\U0010ffff", "\ue000", "\U000f0000"],
    "emoji": ["😀", "👍🏽", "👨‍👩‍👧‍👦", "🏳️‍🌈", "🇧🇷", "🇧", "1️⃣", "❤️", "☺", "🧑🏿‍🚀", "🫠", "\ufe0f", "🏿"],
    "marks": ["e\u0301", "\u0301", "\u0301" * 7, "a\u0328\u0301", "\u0327\u0301", "\u0345", "x\u20dd", "\u05b0", "\u0f71\u0f72", "\u3099",
              "か\u3099", "\u1100\u1161\u11a8", "\u0958", "Å", "\u212b", "Ω", "ﬁ", "ﷺ", "ß", "ẞ", "İ", "ı", "ſ", "ǆ", "ǅ", "ﾡ", "ʰ", "ª"],
    "right to left": ["שלום", "مرحبا", "ا", "ل\u064e\u0651", "ܫܠܡܐ", "\u202bאב\u202c", "abc אבג 123 مرحبا", "ޝ"],
    "words": ["the", " the", "The", "THE", "naïve", "snake_case", "camelCase", "HTTPServer", "https://example.com/a?b=c", "Tea", " a", "a",
              MARK, MARK + MARK, "Ġ", "Ċ", "<0x41>", "<0xC3>", "<s", "s>", "<|", "|>", "[INST", "<unk", "\\n", "\\u0041", "aaa", "ss"],
}


def character(generator):
    """Any that Unicode 14 assigns, which both sides know, small ones most often."""
    while True:
        c = generator.randrange(0x110000) >> generator.randrange(20)
        if not 0xD800 <= c < 0xE000 and unicodedata.category(chr(c)) != "Cn":
            return chr(c)


def piece(generator, specials, books):
    kind = generator.randrange(16)
    names = list(PIECES)
    if kind < len(names):
        return generator.choice(PIECES[names[kind]])
    if kind == 9:
        return generator.choice(specials)
    if kind == 10:
        return generator.choice(" aA1.\n\té中😀\u0301-'") * generator.choice([2, 3, 5, 8, 17, 70, 300])
    if kind == 11:
        return character(generator)
    if kind == 12:
        special = generator.choice(specials)
        return special[:generator.randint(1, len(special))]
    if kind == 13:
        begin = generator.randrange(len(books) - 80)
        return books[begin:begin + generator.randint(1, 80)]
    return word(generator, generator.choice(SCRIPTS)) + generator.choice(["", " ", "\n", "\u0301"])


def random_texts(count, specials, seed):
    generator = random.Random(seed)
    books = "".join(book.read_text(encoding="utf-8") for book in BOOKS)
    return ["".join(piece(generator, specials, books) for _ in range(generator.randint(1, 16))) for _ in range(count)]


def corpus_texts(thorough):
    texts = [""]
    for book in BOOKS if thorough else BOOKS[:1]:
        text = book.read_text(encoding="utf-8")
        texts.append(text)
        texts.extend(text.split("\n\n")[:400])
    return texts


def ours(directory, lines):
    source = "".join(json.dumps(line) + "\n" for line in lines)
    output = subprocess.run([PROGRAM, directory], input=source, capture_output=True, text=True, check=True).stdout
    return [json.loads(line) for line in output.split("\n") if line]


class Differences:
    def __init__(self, family):
        self.family = family
        self.count = 0

    def compare(self, what, expected, got):
        keys = [key for key in expected if expected[key] != got.get(key)]
        if not keys and "error" not in got:
            return
        self.count += 1
        if self.count <= 5:
            print(f"{self.family}: {keys or got} of {json.dumps(what)[:300]}")
            for key in keys[:1]:
                print(f"  expected {str(expected[key])[:400]}\n  got      {str(got.get(key))[:400]}")


def check(family, content, texts_count, seed, directory):
    (directory / "tokenizer.json").write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
    specials = [token["content"] for token in content["added_tokens"]]
    texts = corpus_texts(thorough=texts_count >= 10_000) + random_texts(texts_count, specials, seed)
    differences = Differences(family)
    all_ids = []
    for text, got in zip(texts, ours(directory, texts), strict=True):
        tokenizer.encode_special_tokens = True
        plain = tokenizer.encode(text, add_special_tokens=False).ids
        tokenizer.encode_special_tokens = False
        ids = tokenizer.encode(text).ids
        differences.compare(text, {"ids": ids, "plain_ids": plain}, got)
        all_ids.append(ids)

    # Ids that no text has. A broken run of byte tokens is replaced as a whole by the library, which no stream can.
    generator = random.Random(seed + 1)
    fit = [i for token, i in tokenizer.get_vocab().items() if not (token.startswith("<0x") and content["model"]["byte_fallback"])]
    all_ids += [generator.choices(fit, k=generator.randint(1, 12)) for _ in range(texts_count // 4)]
    if family in ENCODED_ONLY:
        all_ids.clear()
    for ids, got in zip(all_ids, ours(directory, all_ids), strict=True):
        whole = tokenizer.decode(ids, skip_special_tokens=False)
        without = tokenizer.decode(ids, skip_special_tokens=True)
        differences.compare(ids, {"decoded": whole, "decoded_without_special": without, "streamed": whole,
                                  "streamed_without_special": without}, got)
    return len(texts), len(all_ids), differences.count


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--texts", type=int, default=2000, help="random texts for each family")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--families", nargs="*", help="only these")
    parser.add_argument("--keep", type=pathlib.Path, help="write the tokenizers here, and leave them")
    arguments = parser.parse_args()
    failures = 0
    with tempfile.TemporaryDirectory() as temporary:
        for family, content in families():
            if arguments.families and family not in arguments.families:
                continue
            directory = (arguments.keep or pathlib.Path(temporary)) / family
            directory.mkdir(parents=True, exist_ok=True)
            begin = time.monotonic()
            texts, decoded, different = check(family, content, arguments.texts, arguments.seed, directory)
            failures += different
            print(f"{family:16} {texts} texts encoded, {decoded} lists of ids decoded, {different} differ, "
                  f"{time.monotonic() - begin:.0f} s", flush=True)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
