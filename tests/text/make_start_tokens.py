"""Makes tests/text/fixtures/start_tokens.json: the tokens that transformers puts around a text, as tokenizer_config.json
beside a fixture's tokenizer.json asks for.

    python3 -m venv build/transformers && build/transformers/bin/pip install transformers==4.57.6
    build/transformers/bin/python tests/text/make_start_tokens.py
"""
import json
import pathlib
import shutil
import tempfile

import tokenizers
import transformers

FIXTURES = pathlib.Path(__file__).resolve().parent / "fixtures"
TEXTS = ["the", "<s>the", "<s><s>the</s>", ""]
NAMES = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}


def configs():
    for name in ("LlamaTokenizer", "LlamaTokenizerFast", "GemmaTokenizerFast", "CohereTokenizerFast",
                 "GPTNeoXTokenizerFast", "PreTrainedTokenizerFast"):
        for flags in ({"add_bos_token": True}, {"add_bos_token": False}, {"add_bos_token": True, "add_eos_token": True},
                      {"add_bos_token": False, "add_eos_token": True}):
            yield {"tokenizer_class": name, **NAMES, **flags}
    yield {"tokenizer_class": "LlamaTokenizerFast", "add_bos_token": True, "add_eos_token": True}
    yield {"tokenizer_class": "LlamaTokenizerFast", "add_bos_token": False,
           "bos_token": {"__type": "AddedToken", "content": "</s>", "lstrip": False, "normalized": False, "rstrip": False,
                         "single_word": False}}
    yield {"tokenizer_class": "LlamaTokenizerFast", "add_bos_token": True, **NAMES, "bos_token": "</s>"}


def main():
    cases = []
    for fixture in ("llama2", "phi3"):
        for config in configs():
            with tempfile.TemporaryDirectory() as folder:
                shutil.copy(FIXTURES / fixture / "tokenizer.json", folder)
                (pathlib.Path(folder) / "tokenizer_config.json").write_text(json.dumps(config))
                tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
                for text in TEXTS:
                    cases.append({"fixture": fixture, "config": config, "text": text, "ids": tokenizer(text).input_ids,
                                  "bare": tokenizer(text, add_special_tokens=False).input_ids})
    lines = ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases)
    made_by = f"transformers {transformers.__version__}, tokenizers {tokenizers.__version__}"
    (FIXTURES / "start_tokens.json").write_text(f'{{"made_by":"{made_by}","cases":[\n{lines}\n]}}\n', encoding="utf-8")


if __name__ == "__main__":
    main()
