"""Tokenizers of the model families that are served, as their tokenizer.json is published, with small vocabularies.

Pipelines (normalizer, pre-tokenizer, post-processor, decoder) and the kinds of added tokens are those of the published
files; vocabularies and merges are trained here, each behind its own pre-tokenizer, on books, source code and made-up
words of many scripts, so that a text finds merges of every script.
"""
import json
import pathlib
import random

from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from tokenizer_shapes import (GPT4_PATTERN, MARK, O200K_PATTERN, added, byte_level, file, replace, sequence, split,
                              start_template)

ROOT = pathlib.Path(__file__).resolve().parents[2]
BOOKS = sorted((ROOT / "tests/golden/texts").glob("*.txt"))
VOCABULARY = 3000

# Mistral's tekken: like GPT-4o's, without contractions, digits one by one.
TEKKEN_PATTERN = "|".join([
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*",
    r"\p{N}", r" ?[^\s\p{L}\p{N}]+[\r\n/]*", r"\s*[\r\n]+", r"\s+(?!\S)", r"\s+"])

# First and last letters of scripts.
SCRIPTS = [(0x61, 0x7A), (0xC0, 0x17F), (0x370, 0x3FF), (0x400, 0x4FF), (0x531, 0x587), (0x5D0, 0x5EA), (0x620, 0x65F),
           (0x710, 0x74A), (0x904, 0x94D), (0x985, 0x9CD), (0xB85, 0xBCD), (0xE01, 0xE4E), (0xF40, 0xF84), (0x1000, 0x104F),
           (0x10A0, 0x10FF), (0x1100, 0x11FF), (0x1200, 0x135A), (0x1780, 0x17D3), (0x1820, 0x1877), (0x1E00, 0x1FFF),
           (0x3041, 0x3096), (0x30A1, 0x30FA), (0x4E00, 0x4F00), (0xAC00, 0xAD00), (0x10400, 0x1044F), (0x1D400, 0x1D7FF)]


def word(generator, script):
    first, last = script
    letters = [chr(generator.randint(first, last)) for _ in range(generator.randint(1, 8))]
    return "".join(c for c in letters if c.isprintable() or first < 0x250)


def corpus():
    """Texts to train on."""
    generator = random.Random(5)
    code = "".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "tests/text").glob("*.py")))
    words = {script: [word(generator, script) for _ in range(60)] for script in SCRIPTS}
    foreign = "".join(" ".join(generator.choices(words[generator.choice(SCRIPTS)], k=12)) + "\n" for _ in range(1500))
    spaces = "".join(" " * generator.randint(1, 20) + "\t" * generator.randint(0, 3) + "x\n" * generator.randint(1, 3)
                     for _ in range(400))
    text = "".join(book.read_text(encoding="utf-8")[20_000:120_000] for book in BOOKS) + code[:60_000] + foreign + spaces
    return text.splitlines(keepends=True)


def trained(tokenizer, **options):
    trainer = trainers.BpeTrainer(vocab_size=VOCABULARY, show_progress=False, **options)
    tokenizer.train_from_iterator(corpus(), trainer)
    return json.loads(tokenizer.to_str())["model"]


def byte_model(pre_tokenizer):
    tokenizer = Tokenizer(models.BPE())
    parts = {"model": json.loads(tokenizer.to_str())["model"], "pre_tokenizer": pre_tokenizer, "decoder": byte_level()}
    return trained(Tokenizer.from_str(json.dumps(file(**parts))),
                   initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()))


def character_model(specials, prepend="always"):
    """As SentencePiece exports it: special tokens, bytes, then characters and merges across nothing but words."""
    tokenizer = Tokenizer(models.BPE(unk_token=specials[0]))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=prepend)
    bytes_ = [f"<0x{b:02X}>" for b in range(256)]
    model = trained(tokenizer, special_tokens=specials + bytes_, limit_alphabet=900)
    return {**model, "byte_fallback": True, "fuse_unk": True}


def sentencepiece_decoder(prefix):
    strip = [{"type": "Strip", "content": " ", "start": 1, "stop": 0}] if prefix else []
    return sequence("decoders", replace({"String": MARK}, " "), {"type": "ByteFallback"}, {"type": "Fuse"}, *strip)


def families():
    """Names and contents of tokenizer.json."""
    splits = lambda pattern, *how: sequence("pretokenizers", split({"Regex": pattern}, *how), byte_level(use_regex=False))  # noqa: E731

    # Phi-4-mini-flash: GPT-4o's pattern; the marks of a chat swallow what white space follows.
    pre = splits(O200K_PATTERN, "Removed", True)
    model = byte_model(pre)
    n = len(model["vocab"])
    yield "phi4flash", file(model, pre_tokenizer=pre, decoder=byte_level(), post_processor=byte_level(),
                            added_tokens=[added(n, "<|endoftext|>")] + [
                                added(n + 1 + i, f"<|{name}|>", rstrip=True, special=not name.endswith("tool"))
                                for i, name in enumerate(["assistant", "end", "user", "system", "tool", "/tool"])])

    # Falcon-Mamba.
    pre = sequence("pretokenizers", {"type": "Punctuation", "behavior": "Contiguous"}, byte_level(),
                   {"type": "Digits", "individual_digits": False}, split({"Regex": "[0-9][0-9][0-9]"}, "Isolated"))
    model = byte_model(pre)
    n = len(model["vocab"])
    names = [">>TITLE<<", ">>ABSTRACT<<", ">>QUESTION<<", "<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    yield "falcon_mamba", file(model, pre_tokenizer=pre, decoder=byte_level(),
                               added_tokens=[added(n + i, name) for i, name in enumerate(names)])

    # Llama 3 and its like; a token that is no special one among them.
    pre = splits(GPT4_PATTERN, "Isolated")
    model = byte_model(pre)
    n = len(model["vocab"])
    names = ["<|begin_of_text|>", "<|end_of_text|>", "<|reserved_special_token_0|>", "<|start_header_id|>", "<|eot_id|>"]
    yield "llama3", file({**model, "ignore_merges": True}, pre_tokenizer=pre, decoder=byte_level(),
                         added_tokens=[added(n + i, name) for i, name in enumerate(names)] +
                         [added(n + len(names), "<tool>", special=False)],
                         post_processor=sequence("processors", byte_level(), start_template("<|begin_of_text|>", n)))

    # Mistral's Nemo and later ones: control tokens come first, ids of the vocabulary behind them.
    pre = splits(TEKKEN_PATTERN, "Isolated")
    model = byte_model(pre)
    names = ["<unk>", "<s>", "</s>", "[INST]", "[/INST]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]", "[TOOL_CALLS]"]
    vocabulary = {name: i for i, name in enumerate(names)} | {t: i + len(names) for t, i in model["vocab"].items()}
    yield "mistral_tekken", file({**model, "vocab": vocabulary, "ignore_merges": True}, pre_tokenizer=pre,
                                 decoder=byte_level(), post_processor=start_template("<s>", 1),
                                 added_tokens=[added(i, name) for i, name in enumerate(names)])

    # Mistral 7B v0.1 to v0.3, as converted from SentencePiece, and as the newer converter writes it.
    names = ["<unk>", "<s>", "</s>", "[INST]", "[/INST]", "[TOOL_CALLS]"]
    model = character_model(names)
    marks = sequence("normalizers", {"type": "Prepend", "prepend": MARK}, replace({"String": " "}, MARK))
    tokens = [added(i, name) for i, name in enumerate(names)]
    yield "mistral_v1", file(model, normalizer=marks, decoder=sentencepiece_decoder(prefix=True), added_tokens=tokens,
                             post_processor=start_template("<s>", 1))
    metaspace = {"type": "Metaspace", "replacement": MARK, "prepend_scheme": "first", "split": False}
    yield "mistral_v3", file(model, pre_tokenizer=metaspace, decoder=sentencepiece_decoder(prefix=True),
                             added_tokens=tokens, post_processor=start_template("<s>", 1))

    # Llama 2: the same without instructions; in older files its special tokens are looked for in the normalized text.
    names = ["<unk>", "<s>", "</s>"]
    model = character_model(names)
    yield "llama2", file(model, normalizer=marks, decoder=sentencepiece_decoder(prefix=True),
                         added_tokens=[added(i, name) for i, name in enumerate(names)],
                         post_processor=start_template("<s>", 1))
    yield "llama2_older", file(model, normalizer=marks, decoder=sentencepiece_decoder(prefix=True),
                               added_tokens=[added(i, name, normalized=True) for i, name in enumerate(names)],
                               post_processor=start_template("<s>", 1))

    # Jamba: SentencePiece's without a space in front.
    names = ["<|pad|>", "<|startoftext|>", "<|endoftext|>", "<|unk|>", "<|im_start|>", "<|im_end|>", "<tool_calls>"]
    model = character_model(["<|unk|>"] + [name for name in names if name != "<|unk|>"], prepend="never")
    tokens = [added(model["vocab"][name], name, special=name != "<tool_calls>") for name in names]
    tokens.sort(key=lambda token: token["id"])
    start = start_template("<|startoftext|>", model["vocab"]["<|startoftext|>"])
    yield "jamba", file(model, normalizer=replace({"String": " "}, MARK), decoder=sentencepiece_decoder(prefix=False),
                        added_tokens=tokens, post_processor=start)
    never = {"type": "Metaspace", "replacement": MARK, "prepend_scheme": "never", "split": False}
    yield "jamba_metaspace", file(model, pre_tokenizer=never, decoder=sentencepiece_decoder(prefix=False),
                                  added_tokens=tokens, post_processor=start)

    # GPT-NeoX's, which Mamba has: NFC, and runs of spaces as tokens of the normalized text.
    pre = byte_level()
    model = byte_model(pre)
    names = ["<|endoftext|>", "<|padding|>"]
    vocabulary = {name: i for i, name in enumerate(names)} | {t: i + len(names) for t, i in model["vocab"].items()}
    n = len(vocabulary)
    runs = [added(n + i, " " * (24 - i), special=False, normalized=True) for i in range(23)]
    yield "mamba", file({**model, "vocab": vocabulary}, normalizer={"type": "NFC"}, pre_tokenizer=pre, decoder=byte_level(),
                        post_processor=byte_level(), added_tokens=[added(i, name) for i, name in enumerate(names)] + runs)
