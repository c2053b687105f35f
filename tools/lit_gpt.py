"""microsoft/Samba's checkpoints (lit_gpt): Samba_* -> model_type "samba"."""
import dataclasses

from tensor_ops import MAMBA, Source, mamba_sizes, only, rows, same
from torch_file import Refused


@dataclasses.dataclass(frozen=True)
class Known:
    """What config.py says of a name and shapes do not."""
    heads: int
    kv_heads: int
    window: int = 2048
    rope_theta: float | None = 10000.0


KNOWN = {
    "Samba_421M": Known(12, 12), "Samba_421M_nope": Known(12, 12, rope_theta=None), "Samba_421M_mqa": Known(12, 1),
    "Samba_421M_gqa2": Known(12, 2), "Samba_421M_gqa4": Known(12, 4), "Samba_421M_mqa6": Known(6, 1),
    "Samba_421M_1k_window": Known(12, 12, window=1024), "Samba_421M_512_window": Known(12, 12, window=512),
    "Samba_1.3B": Known(18, 18), "Samba_1.3B_nope": Known(18, 18, rope_theta=None),
}
# What other names of config.py stand for.
REFUSED = {"Mamba_SWA_MLP": "two mixers in one block", "abl_mamba": "an MLP in place of Mamba",
           "LLaMA": "a baseline with layers that are not windowed", "TinyLLaMA": "a baseline"}


def known(name):
    if name is None:
        raise Refused("the file does not say which model it is: give --name, one of " + ", ".join(KNOWN))
    if name in KNOWN:
        return KNOWN[name]
    for part, what in REFUSED.items():
        if part in name:
            raise Refused(f"{name} cannot be converted: {what}")
    raise Refused(f"{name} is not known, expected one of " + ", ".join(KNOWN))


def split_qkv(weight, heads, groups, d_model):
    """attn.attn.weight holds, for each K/V head, its query heads, then its K, then its V: ((q…, k, v), (q…, k, v), …)."""
    size = d_model // heads
    if (heads + 2 * groups) * size != weight.shape[0]:
        raise Refused(f"attn.attn.weight has {weight.shape[0]} rows, and the name says {heads} heads of {size} and {groups} "
                      f"of K and V, {(heads + 2 * groups) * size} rows: is it right?")
    ratio = heads // groups

    def pick(first, count):
        return [(g * (ratio + 2) + first + i) * size + r for g in range(groups) for i in range(count)
                for r in range(size)]
    return rows(weight, pick(0, ratio)), rows(weight, pick(ratio, 1)), rows(weight, pick(ratio + 1, 1))


def convert(tensors, name):
    model = known(name)
    source = Source(tensors)
    embedding = source.take("transformer.wte.weight", None, None)
    vocab, d_model = embedding.shape
    if d_model % model.heads:
        raise Refused(f"{name} has {model.heads} heads, which do not divide the width {d_model} of this file")
    out = {"backbone.embeddings.weight": embedding}
    attention_layers, mamba, width = [], [], []
    layers = source.layers("transformer.h.")
    for i in range(layers):
        old, new = f"transformer.h.{i}.", f"backbone.layers.{i}."
        out[new + "mixer_norm.weight"] = source.take(old + "norm_1.weight", d_model)
        if old + "attn.A_log" in source:
            mamba.append(mamba_sizes(source, old + "attn.", d_model))
            for tensor in MAMBA:
                out[new + "mixer." + tensor] = source.take(old + "attn." + tensor)
        else:
            attention_layers.append(i)
            qkv = source.take(old + "attn.attn.weight", None, d_model)
            parts = split_qkv(qkv, model.heads, model.kv_heads, d_model)
            for part, tensor in zip("qkv", parts):
                out[new + f"mixer.{part}_proj.weight"] = tensor
            out[new + "mixer.o_proj.weight"] = source.take(old + "attn.proj.weight", d_model, d_model)
        out[new + "mlp_norm.weight"] = source.take(old + "norm_2.weight", d_model)
        gate = source.take(old + "mlp.swiglu.w1.weight", None, d_model)
        width.append(gate.shape[0])
        out[new + "mlp.gate_proj.weight"] = gate
        out[new + "mlp.up_proj.weight"] = source.take(old + "mlp.swiglu.w2.weight", *gate.shape)
        out[new + "mlp.down_proj.weight"] = source.take(old + "mlp.swiglu.w3.weight", d_model, gate.shape[0])
    out["backbone.norm_f.weight"] = source.take("transformer.ln_f.weight", d_model)
    head = source.take("lm_head.weight", vocab, d_model)
    tied = same(head, embedding)
    if not tied:
        out["lm_head.weight"] = head
    source.check_empty()
    config = dict(architectures=["SambaForCausalLM"], model_type="samba", hidden_size=d_model,
                  num_hidden_layers=layers, vocab_size=vocab, norm_eps=1e-5, hidden_act="swish",
                  mlp_width=only("MLP width", width), use_bias=False, use_conv_bias=True, tie_word_embeddings=tied,
                  max_position_embeddings=4096, bos_token_id=1, eos_token_id=2,
                  attn=dict(layers=attention_layers, num_heads=model.heads, num_kv_heads=model.kv_heads, qkv_bias=False,
                            window_size=model.window, rope_theta=model.rope_theta))
    if mamba:
        inner, states, taps, rank = only("Mamba sizes", mamba)
        config.update(intermediate_size=inner, state_size=states, conv_kernel=taps, time_step_rank=rank)
    return config, out
