"""Makes tests/text/fixtures/added_tokens.json: ids of texts by tokenizers, with added tokens of every flag, among them
whitespace beside tokens that take whitespace with them. The tokens stand in the place of the fixture's own.

    python3 -m venv build/tokenizers && build/tokenizers/bin/pip install tokenizers==0.23.3
    build/tokenizers/bin/python tests/text/make_added_tokens.py
"""
import json
import pathlib
import random

import tokenizers

FIXTURES = pathlib.Path(__file__).resolve().parent / "fixtures"
FLAGS = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": False}
TOKENS = [("<a>", {"lstrip": True, "special": True}), ("<b>", {"rstrip": True, "special": True}),
          ("<c>", {"single_word": True, "special": True}), ("<d>", {"normalized": True}),
          ("<e f>", {"lstrip": True, "rstrip": True}), ("the", {"single_word": True, "normalized": True}), ("<ab", {"special": True}),
          ("  ", {}), ("   ", {}), ("\n\n", {"rstrip": True}), ("\t", {"normalized": True}), ("\r", {"lstrip": True, "rstrip": True}), ("é", {"normalized": True})]
PIECES = [content for content, _ in TOKENS] + [" ", "\n", "a", "world", "<", ">", "e\u0301", "\u00a0", "\u3000", "12", "_", "x<c>y"]


def main():
    generator = random.Random(3)
    texts = ["".join(generator.choices(PIECES, k=generator.randint(1, 9))) for _ in range(150)]
    sets = []
    for fixture in ("llama3", "llama2", "metaspace", "digits"):
        source = json.loads((FIXTURES / fixture / "tokenizer.json").read_text(encoding="utf-8"))
        vocabulary = source["model"]["vocab"]
        source["added_tokens"] = [{"id": vocabulary.get(content, len(vocabulary) + i), "content": content, **FLAGS, **flags}
                                  for i, (content, flags) in enumerate(TOKENS)]
        source["post_processor"] = None
        tokenizer = tokenizers.Tokenizer.from_str(json.dumps(source))
        sets.append({"fixture": fixture, "added_tokens": source["added_tokens"],
                     "cases": [[text, tokenizer.encode(text).ids] for text in texts]})
    lines = ",\n".join(json.dumps(one, separators=(",", ":"), ensure_ascii=False) for one in sets)
    (FIXTURES / "added_tokens.json").write_text(
        f'{{"made_by":"tokenizers {tokenizers.__version__}","sets":[\n{lines}\n]}}\n', encoding="utf-8")


if __name__ == "__main__":
    main()
