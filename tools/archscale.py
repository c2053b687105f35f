"""microsoft/ArchScale's checkpoints: samba_dN -> model_type "samba", phi4miniflash_dN -> "phi4flash". µP's factors are
folded into weights: the final norm's output, attention's scale and each branch's depth scale (arXiv 2507.06607)."""
import math
import re

from tensor_ops import MAMBA, Source, mamba_sizes, only, rows, same, scaled, stacked, zeros
from torch_file import Refused

MUP_BASE_DEPTH = 8  # what training passes; evaluation's default of 16 makes logits half as large


def is_archscale(tensors, name):
    return any(part in tensor for tensor in tensors for part in (".attn.q_proj.", ".mlp.w1.", ".attn.da.", ".gmu.")) \
        or bool(name and re.match(r"(phi4miniflash|sambay|samba)_d\d+", name))


class Run:
    """What a model's and a run's names say."""

    def __init__(self, name, train_name):
        match = re.fullmatch(r"(phi4miniflash|samba)_d(\d+)", name or "")
        if match is None:
            raise Refused(f"{name}: expected samba_dN or phi4miniflash_dN as --name; other mixers of ArchScale are not "
                          "served")
        self.kind, self.depth = match.group(1), int(match.group(2))
        for flag in ("_qknorm", "_ga_", "_moe"):
            if flag in train_name + "_":
                raise Refused(f"--train-name says {flag.strip('_')}, which is not served")
        self.mup = "mup" in train_name and "_ori_mup" not in train_name
        window = re.search(r"_swa(\d+)", train_name)
        self.window = int(window.group(1)) if window else 512 if self.kind == "phi4miniflash" else 2048
        self.rope_theta = None if "_nope" in train_name else 640000.0 if "_rbase" in train_name else 10000.0

    def logit_scale(self):
        return MUP_BASE_DEPTH / self.depth if self.mup else 1

    def query_scale(self, head):
        return math.sqrt(128 / head) if self.mup else 1

    def depth_scale(self):
        return 1 / math.sqrt(2 * self.depth) if self.mup else 1


def common(source, run):
    embedding = source.take("transformer.wte.weight", None, None)
    layers = source.layers("transformer.h.")
    if layers != run.depth:
        raise Refused(f"the name says {run.depth} layers, the file holds {layers}")
    head = source.take("lm_head.weight", *embedding.shape) if "lm_head.weight" in source else embedding
    return embedding, head, same(head, embedding)


def take_heads(source, name, size, d_model):
    """(a projection to heads of `size`, how many they are)"""
    tensor = source.take(name, None, d_model)
    if tensor.shape[0] % size:
        raise Refused(f"tensor {name} has {tensor.shape[0]} rows, expected a multiple of {size}, a head's")
    return tensor, tensor.shape[0] // size


def take_gate_up(source, name, d_model):
    """(gate rows, then up rows, one of them as wide as the MLP; that width)"""
    tensor = source.take(name, None, d_model)
    if tensor.shape[0] % 2:
        raise Refused(f"tensor {name} has {tensor.shape[0]} rows, expected as many for the gate as for what it gates")
    return tensor, tensor.shape[0] // 2


def take_mamba(source, old, new, d_model, run, out):
    sizes = mamba_sizes(source, old, d_model)
    for name in MAMBA:
        tensor = source.take(old + name)
        out[new + name] = scaled(tensor, run.depth_scale()) if name == "out_proj.weight" else tensor
    return sizes


def convert_samba(source, run):
    embedding, head, tied = common(source, run)
    vocab, d_model = embedding.shape
    out = {"backbone.embeddings.weight": embedding}
    attention, sizes, size, kv_heads, widths = [], [], 128, [], []
    for i in range(run.depth):
        old, new = f"transformer.h.{i}.", f"backbone.layers.{i}."
        out[new + "mixer_norm.weight"] = source.take(old + "norm_1.weight", d_model)
        if old + "attn.A_log" in source:
            sizes.append(take_mamba(source, old + "attn.", new + "mixer.", d_model, run, out))
        else:
            attention.append(i)
            query = source.take(old + "attn.q_proj.weight", run.depth * size, d_model)
            out[new + "mixer.q_proj.weight"] = scaled(query, run.query_scale(size))
            key, heads = take_heads(source, old + "attn.k_proj.weight", size, d_model)
            out[new + "mixer.k_proj.weight"] = key
            out[new + "mixer.v_proj.weight"] = source.take(old + "attn.v_proj.weight", *key.shape)
            kv_heads.append(heads)
            out[new + "mixer.o_proj.weight"] = scaled(source.take(old + "attn.proj.weight", d_model, run.depth * size),
                                                      run.depth_scale())
        out[new + "mlp_norm.weight"] = source.take(old + "norm_2.weight", d_model)
        both, width = take_gate_up(source, old + "mlp.w1.weight", d_model)
        widths.append(width)
        out[new + "mlp.gate_proj.weight"] = rows(both, list(range(width)))
        out[new + "mlp.up_proj.weight"] = rows(both, list(range(width, 2 * width)))
        out[new + "mlp.down_proj.weight"] = scaled(source.take(old + "mlp.w3.weight", d_model, width),
                                                   run.depth_scale())
    out["backbone.norm_f.weight"] = scaled(source.take("transformer.ln_f.weight", d_model), run.logit_scale())
    if not tied:
        out["lm_head.weight"] = head
    config = dict(architectures=["SambaForCausalLM"], model_type="samba", hidden_size=d_model,
                  num_hidden_layers=run.depth, vocab_size=vocab, norm_eps=1e-5, hidden_act="swish",
                  mlp_width=only("MLP width", widths), use_bias=False, use_conv_bias=True, tie_word_embeddings=tied,
                  max_position_embeddings=8192,
                  attn=dict(layers=attention, num_heads=run.depth, head_dim=size, qkv_bias=False,
                            num_kv_heads=only("K/V heads", kv_heads) if kv_heads else run.depth,
                            window_size=run.window, rope_theta=run.rope_theta))
    if sizes:
        config.update(zip(("intermediate_size", "state_size", "conv_kernel", "time_step_rank"),
                          only("Mamba sizes", sizes)))
    return config, out


def take_attention(source, old, new, d_model, run, cross, out):
    """Differential attention; gives (query heads, K/V heads). K has no bias there: zeros stand in."""
    size = source.take(old + "da.lambda_q1", None).shape[0]
    query, heads = take_heads(source, old + "q_proj.weight", size, d_model)
    weights = [scaled(query, run.query_scale(size))]
    biases = [scaled(source.take(old + "q_proj.bias", query.shape[0]), run.query_scale(size))]
    kv_heads = None
    if not cross:
        key, kv_heads = take_heads(source, old + "k_proj.weight", size, d_model)
        value = source.take(old + "v_proj.weight", *key.shape)
        weights += [key, value]
        biases += [zeros(biases[0], (key.shape[0],)), source.take(old + "v_proj.bias", key.shape[0])]
    out[new + "Wqkv.weight"], out[new + "Wqkv.bias"] = stacked(weights), stacked(biases)
    out[new + "out_proj.weight"] = scaled(source.take(old + "proj.weight", d_model, query.shape[0]), run.depth_scale())
    out[new + "out_proj.bias"] = scaled(source.take(old + "proj.bias", d_model), run.depth_scale())
    for name in ("lambda_q1", "lambda_k1", "lambda_q2", "lambda_k2"):
        out[new + f"inner_cross_attn.{name}"] = source.take(old + f"da.{name}", size)
    out[new + "inner_cross_attn.subln.weight"] = source.take(old + "da.subln.weight", 2 * size)
    return heads, kv_heads


def convert_phi4flash(source, run):
    embedding, head, tied = common(source, run)
    if run.depth % 4:
        raise Refused(f"phi4miniflash has a multiple of 4 layers, not {run.depth}")
    if not tied:
        raise Refused("lm_head.weight differs from the embeddings: the served layout ties them")
    vocab, d_model = embedding.shape
    out = {"model.embed_tokens.weight": embedding}
    half, sizes, heads, kv_heads, widths = run.depth // 2, [], [], [], []
    for i in range(run.depth):
        old, new = f"transformer.h.{i}.", f"model.layers.{i}."
        for a, b in (("norm_1", "input_layernorm"), ("norm_2", "post_attention_layernorm")):
            for part in ("weight", "bias"):
                out[new + f"{b}.{part}"] = source.take(old + f"{a}.{part}", d_model)
        if i % 2 == 0 and i >= half + 2:
            inner = sizes[0][0]
            out[new + "attn.in_proj.weight"] = source.take(old + "attn.gmu.in_proj.weight", inner, d_model)
            out[new + "attn.out_proj.weight"] = scaled(source.take(old + "attn.gmu.out_proj.weight", d_model, inner),
                                                       run.depth_scale())
        elif i % 2 == 0:
            sizes.append(take_mamba(source, old + "attn.", new + "attn.", d_model, run, out))
        else:
            cross = i >= half + 2
            query, key = take_attention(source, old + "attn.", new + "attn.", d_model, run, cross, out)
            heads.append(query)
            kv_heads += [] if cross else [key]
        fc1, width = take_gate_up(source, old + "mlp.w1.weight", d_model)
        widths.append(width)
        out[new + "mlp.fc1.weight"] = fc1
        out[new + "mlp.fc2.weight"] = scaled(source.take(old + "mlp.w3.weight", d_model, width), run.depth_scale())
    for part in ("weight", "bias"):
        out[f"model.final_layernorm.{part}"] = scaled(source.take(f"transformer.ln_f.{part}", d_model),
                                                      run.logit_scale())
    inner, states, taps, rank = only("Mamba sizes", sizes)
    if inner % d_model:
        raise Refused(f"d_inner {inner} is no multiple of the width {d_model}")
    config = dict(architectures=["Phi4FlashForCausalLM"], model_type="phi4flash", hidden_size=d_model,
                  intermediate_size=only("MLP width", widths), num_hidden_layers=run.depth,
                  num_attention_heads=only("query heads", heads), num_key_value_heads=only("K/V heads", kv_heads),
                  mb_per_layer=2, sliding_window=run.window, hidden_act="silu",
                  layer_norm_eps=1e-5, tie_word_embeddings=True, mlp_bias=False, lm_head_bias=False, vocab_size=vocab,
                  mamba_d_state=states, mamba_d_conv=taps, mamba_expand=inner // d_model, mamba_dt_rank=rank,
                  max_position_embeddings=8192)
    return config, out


def convert(tensors, name, train_name):
    run = Run(name, train_name)
    source = Source(tensors)
    config, out = (convert_samba if run.kind == "samba" else convert_phi4flash)(source, run)
    source.check_empty()
    return config, out
