"""Makes tests/text/fixtures/offsets.json: where tokenizers says that each token of a text begins, in characters.

A token's own space is a part of it, as it is of the token's text in answers: trim_offsets, by which a tokenizer's file
may ask for the first character that is no space, is off.

    python3 -m venv build/tokenizers && build/tokenizers/bin/pip install tokenizers==0.23.3
    build/tokenizers/bin/python tests/text/make_offsets.py
"""
import json
import pathlib

import tokenizers

FIXTURES = pathlib.Path(__file__).resolve().parent / "fixtures"
TEXTS = ["Hello world", " Hello world", "the  two\nlines\n\n end ", "naïve café 日本語", "a😀b 👩‍👧 c", "1234567 3.14",
         "don't I'M", "x <s> y", "The Lost World, by Sir Arthur Conan Doyle"]


def untrimmed(value):
    if isinstance(value, dict):
        return {name: False if name == "trim_offsets" else untrimmed(member) for name, member in value.items()}
    return [untrimmed(member) for member in value] if isinstance(value, list) else value


def main():
    cases = []
    for path in sorted(FIXTURES.glob("*/tokenizer.json")):
        tokenizer = tokenizers.Tokenizer.from_str(json.dumps(untrimmed(json.loads(path.read_text(encoding="utf-8")))))
        if tokenizer.decoder is None:
            continue  # The space between two tokens is neither's.
        for text in TEXTS:
            encoding = tokenizer.encode(text, add_special_tokens=False)
            decoded = tokenizer.decode(encoding.ids, skip_special_tokens=False)
            if decoded not in (text, " " + text):
                continue  # The tokenizer changed the text, and its offsets are of one that no answer shows.
            cases.append({"fixture": path.parent.name, "text": text, "ids": encoding.ids,
                          "begins": [begin for begin, _ in encoding.offsets]})
    lines = ",\n".join(json.dumps(case, separators=(",", ":"), ensure_ascii=False) for case in cases)
    (FIXTURES / "offsets.json").write_text(
        f'{{"made_by":"tokenizers {tokenizers.__version__}","cases":[\n{lines}\n]}}\n', encoding="utf-8")


if __name__ == "__main__":
    main()
