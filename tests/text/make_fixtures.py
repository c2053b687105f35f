"""Makes tests/text/fixtures: small tokenizers of every supported kind, with the ids that their own libraries give:
Hugging Face's `tokenizers` for tokenizer.json and SentencePiece for tokenizer.model.

    python3 -m venv build/venv && build/venv/bin/pip install tokenizers==0.23.3 sentencepiece==0.2.3
    build/venv/bin/python tests/text/make_fixtures.py

Two vocabularies are trained on a book of tests/golden/texts, one over bytes and one over characters; the fixtures put
different pipelines around them. continuations.json has the text of ids and how much of it is the text of their
beginnings; normal_forms.json what Python's unicodedata makes of hard texts. Deterministic given the versions, which
these two files record.
"""
import io
import json
import pathlib
import random
import unicodedata

import sentencepiece
import tokenizers
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from tokenizer_shapes import (GPT4_PATTERN, MARK, O200K_PATTERN, added, byte_level, file, replace, sequence, split,
                              start_template)

ROOT = pathlib.Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "tests/text/fixtures"
BOOK = (ROOT / "tests/golden/texts/lost_world.txt").read_text(encoding="utf-8")[:150_000]


def train(tokenizer, **options):
    trainer = trainers.BpeTrainer(vocab_size=700, show_progress=False, **options)
    tokenizer.train_from_iterator(BOOK.splitlines(keepends=True), trainer)
    return json.loads(tokenizer.to_str())["model"]


def byte_model():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return train(tokenizer, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()))


def character_model(byte_fallback):
    """Over characters with word marks, <unk> <s> </s> and the byte tokens in front, as SentencePiece exports them."""
    specials = ["<unk>", "<s>", "</s>"] + ([f"<0x{b:02X}>" for b in range(256)] if byte_fallback else [])
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    model = train(tokenizer, special_tokens=specials, limit_alphabet=60)
    model["byte_fallback"] = byte_fallback
    model["fuse_unk"] = True
    return model


def fixtures():
    over_bytes = byte_model()
    over_characters = character_model(byte_fallback=True)
    with_unknown = character_model(byte_fallback=False)
    unfused = {**with_unknown, "fuse_unk": False}
    byte_size = len(over_bytes["vocab"])
    character_size = len(over_characters["vocab"])
    basics = [added(0, "<unk>"), added(1, "<s>"), added(2, "</s>")]
    word_marks = sequence("normalizers", {"type": "Prepend", "prepend": MARK}, replace({"String": " "}, MARK))
    llama_decoder = sequence("decoders", replace({"String": MARK}, " "), {"type": "ByteFallback"}, {"type": "Fuse"},
                             {"type": "Strip", "content": " ", "start": 1, "stop": 0})
    metaspace = {"type": "Metaspace", "replacement": MARK, "prepend_scheme": "first", "split": False}

    yield "llama2", file(over_characters, added_tokens=basics, normalizer=word_marks, decoder=llama_decoder,
                         post_processor=start_template("<s>", 1))
    yield "phi3", file(
        over_characters, normalizer=word_marks, decoder=llama_decoder,
        added_tokens=basics[:2] + [added(2, "</s>", special=False, rstrip=True)] +
        [added(character_size + i, f"<|{name}|>", rstrip=True)
         for i, name in enumerate(["endoftext", "assistant", "system", "end", "user"])])
    yield "metaspace", file(
        over_characters, pre_tokenizer=metaspace, added_tokens=basics, normalizer={"type": "NFC"},
        decoder=sequence("decoders", {"type": "ByteFallback"}, {**metaspace, "split": True}),
        post_processor=start_template("<s>", 1))
    yield "metaspace_split", file(
        {**with_unknown, "ignore_merges": True}, added_tokens=basics,
        pre_tokenizer={"type": "Metaspace", "replacement": MARK, "prepend_scheme": "always", "split": True},
        decoder={"type": "Metaspace", "replacement": MARK, "prepend_scheme": "always", "split": True})
    yield "llama3", file(
        {**over_bytes, "ignore_merges": True},
        pre_tokenizer=sequence("pretokenizers", split({"Regex": GPT4_PATTERN}, "Isolated"), byte_level(use_regex=False)),
        added_tokens=[added(byte_size, "<|begin_of_text|>"), added(byte_size + 1, "<|eot_id|>"),
                      added(byte_size + 2, "<tool>", special=False)],
        post_processor=sequence("processors", byte_level(), start_template("<|begin_of_text|>", byte_size)),
        decoder=byte_level())
    yield "gpt2", file(over_bytes, pre_tokenizer=byte_level(add_prefix_space=True), decoder=byte_level(),
                       added_tokens=[added(byte_size, "<|endoftext|>", normalized=True)])
    # Tokens of tool calls are text; the marks of a chat swallow the white space behind them.
    yield "o200k", file(
        over_bytes, decoder=byte_level(), post_processor=byte_level(),
        pre_tokenizer=sequence("pretokenizers", split({"Regex": O200K_PATTERN}, "Removed", invert=True),
                               byte_level(use_regex=False)),
        added_tokens=[added(byte_size, "<|endoftext|>")] +
        [added(byte_size + 1 + i, f"<|{name}|>", rstrip=True, special=not name.endswith("tool"))
         for i, name in enumerate(["assistant", "end", "user", "system", "tool", "/tool"])])
    yield "falcon", file(
        over_bytes, decoder=byte_level(), post_processor=byte_level(),
        pre_tokenizer=sequence("pretokenizers", {"type": "Punctuation", "behavior": "Contiguous"}, byte_level(),
                               {"type": "Digits", "individual_digits": False},
                               split({"Regex": "[0-9][0-9][0-9]"}, "Isolated")),
        added_tokens=[added(byte_size, "<|endoftext|>"), added(byte_size + 1, "<|im_end|>")])
    yield "digits", file(
        over_bytes, decoder=byte_level(), normalizer={"type": "NFKC"},
        pre_tokenizer=sequence("pretokenizers", {"type": "Digits", "individual_digits": True},
                               {"type": "Punctuation", "behavior": "Contiguous"}, byte_level()))
    yield "digits_behind_bytes", file(
        over_bytes, decoder=byte_level(), normalizer={"type": "NFD"},
        pre_tokenizer=sequence("pretokenizers", {"type": "Punctuation", "behavior": "MergedWithPrevious"}, byte_level(),
                               {"type": "Digits", "individual_digits": False},
                               split({"Regex": "[0-9][0-9][0-9]"}, "Isolated")))
    yield "lowercase", file(
        unfused, decoder=sequence("decoders", replace({"Regex": MARK + "+"}, " "),
                                  {"type": "Strip", "content": "!", "start": 0, "stop": 1}),
        normalizer=sequence("normalizers", {"type": "NFKD"}, {"type": "Lowercase"},
                            {"type": "Strip", "strip_left": True, "strip_right": True}, replace({"Regex": r"\s+"}, MARK)),
        pre_tokenizer=sequence("pretokenizers", split({"String": MARK}, "MergedWithNext"),
                               split({"Regex": r"[a-m]+|\d"}, "MergedWithPrevious"), split({"String": "."}, "Removed")),
        added_tokens=basics + [added(len(unfused["vocab"]), "Tea", special=False, normalized=True, single_word=True),
                               added(len(unfused["vocab"]) + 1, "<mask>", lstrip=True, rstrip=True)])
    yield "words", file(
        with_unknown, added_tokens=basics,
        pre_tokenizer=sequence("pretokenizers", {"type": "WhitespaceSplit"}, {"type": "Whitespace"},
                               split({"Regex": r"\w\b|\Bn|\h+"}, "Contiguous", invert=True)))


def texts():
    fixed = ["", " ", "  ", "\n", "a", " a", "a ", "Hello, world!", "don't DON'T we'll I'M", "  two  spaces   three",
             "tabs\tand\r\nlines\n\n\nend", "1234567 3.14 ¼ ² ٣", "naïve café e\u0301 ﬁ Å Ω", "日本語 中文 한국어", "😀👍🏽 👨‍👩‍👧",
             "<s>", "a<s>b", "</s> x", "<|end|>  \n x", "x <mask>  y", "<|begin_of_text|>hi<|eot_id|>", "<tool> <tool>",
             "<|endoftext|>", "▁a▁▁b", "İstanbul ſ K ŉ", "Tea tea Teapot (Tea)", "\u00a0\u3000\u2028\u180e x\u200b", "Ġt <0x0A>",
             "a\u0000b", "\U0010ffff", "....!!!???,,,", "The Lost World, by Sir Arthur Conan Doyle"]
    generator = random.Random(1)
    alphabet = list("   \n\tabcdeTst'.,!019<>|") + ["é", "\u0301", MARK, "中", "😀", "\u00a0", "<s>", "<mask>", "Tea", "ss"]
    noise = ["".join(generator.choices(alphabet, k=generator.randint(3, 24))) for _ in range(24)]
    return fixed + noise + [BOOK[5000:5400]]


def golden(tokenizer):
    cases = []
    for text in texts():
        tokenizer.encode_special_tokens = True
        plain = tokenizer.encode(text, add_special_tokens=False).ids
        tokenizer.encode_special_tokens = False
        ids = tokenizer.encode(text).ids
        cases.append({"text": text, "ids": ids, "plain_ids": plain, "decoded": tokenizer.decode(ids, skip_special_tokens=False),
                      "decoded_without_special": tokenizer.decode(ids, skip_special_tokens=True)})
    return cases


def sentencepiece_models():
    common = {"vocab_size": 500, "normalization_rule_name": "identity", "character_coverage": 0.9995}
    llama = {"model_type": "bpe", "byte_fallback": True, "remove_extra_whitespaces": False,
             "user_defined_symbols": ["<tool>"]}
    yield "sentencepiece_bpe", {**common, **llama}
    yield "sentencepiece_unigram", {**common, "model_type": "unigram", "remove_extra_whitespaces": True}
    yield "sentencepiece_bare", {**common, "model_type": "bpe", "add_dummy_prefix": False, "byte_fallback": True,
                                 "remove_extra_whitespaces": False, "bos_id": -1}


def sentencepiece_golden(processor):
    start = [processor.bos_id()] if processor.bos_id() >= 0 else []
    cases = []
    for text in texts():
        ids = processor.encode(text)
        cases.append({"text": text, "plain_ids": ids, "ids": start + ids, "decoded_without_special": processor.decode(ids)})
    generator = random.Random(2)
    for _ in range(100):  # ids that no text has: bytes that break off, unknowns, spaces in front
        ids = [generator.randrange(processor.vocab_size()) for _ in range(generator.randint(1, 12))]
        cases.append({"random_ids": ids, "decoded_without_special": processor.decode(ids)})
    return cases


def continuations(decode, size, ids_of_texts, unfit=frozenset()):
    """Cases of ids, their text, and for every number of ids in front how many of the text's characters are the text of
    those alone; -1 where that is no beginning of the whole, in the midst of a character. `unfit` ids are left out of
    random ones."""
    generator = random.Random(3)
    fit = [i for i in range(size) if i not in unfit]
    noise = [generator.choices(fit, k=generator.randint(1, 10)) for _ in range(150)]
    cases = []
    for ids in ids_of_texts + noise:
        for skip in (True, False):
            whole = decode(ids, skip)
            if whole is None:
                continue
            beginnings = [decode(ids[:k], skip) for k in range(len(ids) + 1)]
            cases.append({"ids": ids, "skip_special": skip, "text": whole,
                          "beginnings": [len(text) if whole.startswith(text) else -1 for text in beginnings]})
    return cases


def write_continuations(directory, made_by, cases):
    lines = ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases)
    (directory / "continuations.json").write_text(f'{{"made_by":"{made_by}","cases":[\n{lines}\n]}}\n', encoding="utf-8")


def normal_form_texts():
    marks = ["\u0301", "\u0316", "\u0327", "\u0345", "\u05b0", "\u0f71", "\u0f72", "\u3099", "\U0001d165", "\u0300", "\u0308"]
    hard = ["a" + "\u0301" * 40 + "\u0316" * 40, "\u0316" * 40 + "\u0301" * 40, "".join(reversed(marks)) * 30, "\u0344\u0f73\u0f75\u0f81",
            "\u1100\u1161\u11a8\u1161\u11a7\uac00\u11a8", "\u0958\u2adc\ufb1d\U0001d15e\U0001d1bf", "\ufdfa\u3300\u1e9b\u0323",
            "\u0041\u030a\u212b\u00c5\u2126\u03a9", "a\u0315\u0300\u05ae\u0300\u0062", "\u1e0a\u0323\u0044\u0307\u0323", "\u09c7\u0300\u09be",
            "\u0b47\u0300\u0b3e\u1025\u0300\u102e", "\U00011131\U00011127\U00011347\U0001133e", "\u00a8\u0301\u0385", "\u0374\u037e\u0387\u1fef"]
    generator = random.Random(4)

    def character():
        while True:
            c = chr(generator.randrange(0x30000) >> generator.randrange(14))
            if unicodedata.ucd_3_2_0.category(c) not in ("Cn", "Cs") and unicodedata.category(c) != "Cn":
                return c

    for _ in range(200):
        hard.append("".join(generator.choice(marks) if generator.random() < 0.6 else character()
                            for _ in range(generator.randint(1, 30))))
    return hard


def write_normal_forms():
    cases = [[text] + [unicodedata.normalize(form, text) for form in ("NFC", "NFD", "NFKC", "NFKD")]
             for text in normal_form_texts()]
    lines = ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases)
    made_by = f"Unicode {unicodedata.unidata_version}, as Python has it"
    (FIXTURES / "normal_forms.json").write_text(f'{{"made_by":"{made_by}","cases":[\n{lines}\n]}}\n', encoding="utf-8")


def write(directory, cases):
    lines = ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases)
    (directory / "golden.json").write_text(f"[\n{lines}\n]\n", encoding="utf-8")


def main():
    write_normal_forms()
    for name, content in fixtures():
        directory = FIXTURES / name
        directory.mkdir(parents=True, exist_ok=True)
        source = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
        (directory / "tokenizer.json").write_text(source + "\n", encoding="utf-8")
        tokenizer = Tokenizer.from_str(source)
        cases = golden(tokenizer)
        write(directory, cases)
        # A broken byte makes the library replace the whole run of byte tokens, which no stream can.
        unfit = {i for token, i in tokenizer.get_vocab().items() if token.startswith("<0x")}
        write_continuations(directory, f"tokenizers {tokenizers.__version__}", continuations(
            lambda ids, skip: tokenizer.decode(ids, skip_special_tokens=skip), tokenizer.get_vocab_size(),
            [case["ids"] for case in cases], unfit))
    for name, options in sentencepiece_models():
        directory = FIXTURES / name
        directory.mkdir(parents=True, exist_ok=True)
        model = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(BOOK.splitlines()), model_writer=model,
                                                 num_threads=1, minloglevel=2, **options)
        (directory / "tokenizer.model").write_bytes(model.getvalue())
        processor = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
        cases = sentencepiece_golden(processor)
        write(directory, cases)
        write_continuations(directory, f"sentencepiece {sentencepiece.__version__}", continuations(
            lambda ids, skip: processor.decode(ids) if skip else None, processor.vocab_size(),
            [case.get("ids", case.get("random_ids")) for case in cases]))


if __name__ == "__main__":
    main()
