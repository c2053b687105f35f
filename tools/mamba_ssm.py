"""state-spaces' own Mamba checkpoints (mamba_ssm): config.json with d_model and n_layer, backbone.embedding."""
import json

from tensor_ops import MAMBA, Source, mamba_sizes, only, same
from torch_file import Refused


def read_config(path):
    if not path.is_file():
        raise Refused(f"{path} is missing: it belongs to the checkpoint")
    try:
        given = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise Refused(f"config.json: {error}") from error
    if not isinstance(given, dict):
        raise Refused("config.json holds no object")
    return given


def convert(tensors, folder):
    given = read_config(folder / "config.json")
    if "hidden_size" in given:
        raise Refused("config.json is that of transformers already: serve the directory, with safetensors")
    refuse = {"d_intermediate": 0, "attn_layer_idx": [], "rms_norm": True}
    for key, wanted in refuse.items():
        if given.get(key, wanted) != wanted:
            raise Refused(f"config.json: {key} is {given[key]!r}: only {wanted!r} can be converted")
    for key in ("d_model", "n_layer"):
        if type(given.get(key)) is not int:
            raise Refused(f"config.json: {key} is {given.get(key)!r}, expected a number")
    ssm = given.get("ssm_cfg") or {}
    if not isinstance(ssm, dict):
        raise Refused(f"config.json: ssm_cfg is {ssm!r}, expected an object")
    if ssm.get("layer", "Mamba1") != "Mamba1":
        raise Refused(f"config.json: ssm_cfg.layer is {ssm['layer']!r}: only Mamba1 can be converted")
    source = Source(tensors)
    embedding = source.take("backbone.embedding.weight", None, given["d_model"])
    out = {"backbone.embeddings.weight": embedding}
    layers = source.layers("backbone.layers.")
    if layers != given["n_layer"]:
        raise Refused(f"config.json: n_layer is {given['n_layer']}, the file holds {layers} layers")
    sizes = []
    for i in range(layers):
        prefix = f"backbone.layers.{i}."
        out[prefix + "norm.weight"] = source.take(prefix + "norm.weight", given["d_model"])
        sizes.append(mamba_sizes(source, prefix + "mixer.", given["d_model"]))
        for name in MAMBA:
            out[prefix + "mixer." + name] = source.take(prefix + "mixer." + name)
    out["backbone.norm_f.weight"] = source.take("backbone.norm_f.weight", given["d_model"])
    tied = given.get("tie_embeddings", True)
    if "lm_head.weight" in source:
        head = source.take("lm_head.weight", *embedding.shape)
        tied = same(head, embedding)
        if not tied:
            out["lm_head.weight"] = head
    source.check_empty()
    inner, states, width, rank = only("Mamba sizes", sizes)
    config = dict(architectures=["MambaForCausalLM"], model_type="mamba", hidden_size=given["d_model"],
                  num_hidden_layers=layers, intermediate_size=inner, state_size=states, conv_kernel=width,
                  time_step_rank=rank, use_bias=False, use_conv_bias=True, hidden_act="silu", layer_norm_epsilon=1e-5,
                  residual_in_fp32=True, vocab_size=embedding.shape[0], tie_word_embeddings=tied)
    return config, out
