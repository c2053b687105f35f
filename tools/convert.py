#!/usr/bin/env python3
"""Checkpoints of training code -> a directory that batucada serves (config.json and model.safetensors).

    python tools/convert.py CHECKPOINT OUT [--name Samba_421M] [--train-name NAME] [--tokenizer DIR] [--dtype bf16]

CHECKPOINT is
  - a .pth of microsoft/Samba (lit_gpt) or microsoft/ArchScale: Samba, and SambaY with differential attention;
  - a directory or pytorch_model.bin of state-spaces' Mamba, with its config.json.
Needs numpy alone. Pickles are read without running what is in them (torch_file.py). What cannot be expressed in the
served layouts is refused by name.
"""
import argparse
import json
import pathlib
import shutil
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import archscale  # noqa: E402
import lit_gpt  # noqa: E402
import mamba_ssm  # noqa: E402
from safetensors_file import write_safetensors  # noqa: E402
from torch_file import Refused, TorchFile  # noqa: E402

TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "tokenizer_config.json", "special_tokens_map.json",
                   "generation_config.json", "chat_template.jinja", "additional_chat_templates/tool_use.jinja")


def state_dict(value):
    """The model's tensors in what torch.load gives, with the marks that wrappers leave in names taken off."""
    model = value["model"] if isinstance(value, dict) and isinstance(value.get("model"), dict) else value
    if not isinstance(model, dict) or not any(hasattr(t, "dtype") for t in model.values()):
        raise Refused("the file holds no state dict: expected tensors by name, or such a dict as \"model\"")
    found = {}
    for name, tensor in model.items():
        if not isinstance(name, str):
            raise Refused(f"the state dict has the key {name!r}, expected tensors' names")
        short = name.removeprefix("module.").replace("_orig_mod.", "")
        if short in found:
            raise Refused(f"two tensors are called {short}, but for what wrappers put before it")
        if hasattr(tensor, "dtype"):
            found[short] = tensor
    return found


def convert(value, args, source):
    tensors = state_dict(value)
    if any(name.startswith("backbone.layers.") for name in tensors):
        return mamba_ssm.convert(tensors, source)
    if "transformer.wte.weight" not in tensors:
        raise Refused(f"names such as {next(iter(tensors))} belong to no layout that is known: expected "
                      "transformer.wte.weight (lit_gpt, ArchScale) or backbone.layers.N (Mamba)")
    hparams = value.get("hparams") if isinstance(value, dict) else None
    name = args.name or (hparams.get("model_name") if isinstance(hparams, dict) else None)
    if archscale.is_archscale(tensors, name):
        return archscale.convert(tensors, name, args.train_name)
    return lit_gpt.convert(tensors, name)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--name", help="the model's name in config.py, where the file does not say")
    parser.add_argument("--train-name", default="", help="ArchScale: the run's name, whose flags (_mup, _tie, _rbase) "
                        "say how it was trained")
    parser.add_argument("--tokenizer", type=pathlib.Path, help="directory whose tokenizer files to copy")
    parser.add_argument("--dtype", choices=("keep", "bf16"), default="keep", help="of the matrices")
    args = parser.parse_args()
    path = args.checkpoint / "pytorch_model.bin" if args.checkpoint.is_dir() else args.checkpoint
    try:
        if args.tokenizer and not any((args.tokenizer / name).is_file() for name in TOKENIZER_FILES[:2]):
            raise Refused(f"--tokenizer {args.tokenizer} holds neither {' nor '.join(TOKENIZER_FILES[:2])}")
        with TorchFile(path) as file:
            config, tensors = convert(file.value, args, path.parent)
            args.out.mkdir(parents=True, exist_ok=True)
            write_safetensors(args.out / "model.safetensors", tensors, bf16=args.dtype == "bf16")
        (args.out / "config.json").write_text(json.dumps(config, indent=2) + "\n")
        for folder in filter(None, (args.tokenizer, path.parent if args.checkpoint.is_dir() else None)):
            for name in TOKENIZER_FILES:
                if (folder / name).is_file() and not (args.out / name).exists():
                    (args.out / name).parent.mkdir(exist_ok=True)
                    shutil.copyfile(folder / name, args.out / name)
    except Refused as refused:
        sys.exit(f"convert: {path}: {refused}")
    except OSError as error:
        sys.exit(f"convert: {error}")
    print(f"{args.out}: {config['model_type']}, {len(tensors)} tensors")


if __name__ == "__main__":
    main()
