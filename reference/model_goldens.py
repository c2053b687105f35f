"""Goldens of small models of every architecture: transformers' own code in fp32 on a CPU, or our oracle where it has
none, with weights of made_weights.py. Every token recomputes the whole text: no cache, no cache bug.

    python reference/model_goldens.py [NAME...]        needs torch, transformers

writes tests/golden/models/NAME/{config.json, golden.json}. golden.json: {"tensors": [[name, shape, base, scale]],
"cases": [as in models/samba-classics-18m/golden.json], "bf16": how far the same code in bf16 is from that: {"worst":
log-probability, "mean": of a case}}.
"""
import json
import pathlib
import sys

import numpy as np
import torch

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import made_weights  # noqa: E402
import phi4flash as sambay  # noqa: E402

OUT = pathlib.Path(__file__).resolve().parents[1] / "tests" / "golden" / "models"
VOCAB = 320


def transformers_model(kind, **settings):
    import transformers
    torch.manual_seed(0)
    config = getattr(transformers, kind + "Config")(vocab_size=VOCAB, bos_token_id=1, eos_token_id=2, pad_token_id=0,
                                                    **settings)
    config._attn_implementation = "eager"
    model = getattr(transformers, kind + "ForCausalLM")(config).float().eval()
    model.config.architectures = [kind + "ForCausalLM"]
    return model, json.loads(model.config.to_json_string(use_diff=False))


def falcon_mamba():
    # expand says nothing: intermediate_size counts, as in falcon-mamba-7b.
    return transformers_model("FalconMamba", hidden_size=64, num_hidden_layers=3, state_size=16, conv_kernel=4,
                              expand=16, intermediate_size=128, time_step_rank=12, use_bias=False,
                              use_conv_bias=True, layer_norm_epsilon=1e-5, tie_word_embeddings=False)


def mamba():
    return transformers_model("Mamba", hidden_size=64, num_hidden_layers=3, state_size=16, conv_kernel=4, expand=2,
                              time_step_rank=4, tie_word_embeddings=True)


def jamba():
    return transformers_model("Jamba", hidden_size=128, num_hidden_layers=4, num_attention_heads=2,
                              num_key_value_heads=1, intermediate_size=192, attn_layer_period=4, attn_layer_offset=2,
                              num_experts=1, mamba_dt_rank=12, mamba_d_state=16, mamba_d_conv=4, mamba_expand=2,
                              use_mamba_kernels=False, tie_word_embeddings=True)


def jamba_mqa20():
    return transformers_model("Jamba", hidden_size=64, num_hidden_layers=2, num_attention_heads=20, head_dim=64,
                              num_key_value_heads=1, intermediate_size=64, attn_layer_period=2, attn_layer_offset=1,
                              num_experts=1, mamba_dt_rank=4, mamba_d_state=16, mamba_d_conv=4, mamba_expand=2,
                              use_mamba_kernels=False, tie_word_embeddings=False)


def llama():
    return transformers_model("Llama", hidden_size=128, num_hidden_layers=3, num_attention_heads=4, head_dim=64,
                              num_key_value_heads=2, intermediate_size=200, rms_norm_eps=1e-5,
                              tie_word_embeddings=False, rope_theta=500000.0, max_position_embeddings=4096)


def llama_biased():
    return transformers_model("Llama", hidden_size=128, num_hidden_layers=2, num_attention_heads=2, head_dim=64,
                              num_key_value_heads=1, intermediate_size=96, rms_norm_eps=1e-5, attention_bias=True,
                              tie_word_embeddings=False, max_position_embeddings=4096)


def scaled_llama(**rope):
    return transformers_model("Llama", hidden_size=128, num_hidden_layers=2, num_attention_heads=2, head_dim=64,
                              num_key_value_heads=1, intermediate_size=128, rms_norm_eps=1e-5,
                              tie_word_embeddings=True, max_position_embeddings=4096,
                              rope_parameters=dict(rope_theta=10000.0, **rope))


def llama3_scaled():
    # Of a context so short that texts reach frequencies of all three kinds.
    return scaled_llama(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                        original_max_position_embeddings=64)


def llama_linear():
    return scaled_llama(rope_type="linear", factor=2.5)


def mistral():
    return transformers_model("Mistral", hidden_size=128, num_hidden_layers=3, num_attention_heads=4, head_dim=64,
                              num_key_value_heads=2, intermediate_size=192, rms_norm_eps=1e-5, sliding_window=8,
                              tie_word_embeddings=False, max_position_embeddings=4096)


def phi4flash():
    return sambay.small_model(VOCAB)


MODELS = [falcon_mamba, mamba, jamba, jamba_mqa20, llama, llama_biased, llama3_scaled, llama_linear, mistral, phi4flash]


def fill(model, tied):
    """Every tensor as save_pretrained would write it, filled; what is tied is written once."""
    tensors, seen = [], set()
    for name, tensor in model.state_dict(keep_vars=True).items():
        if tensor.data_ptr() in seen and tied:
            continue
        seen.add(tensor.data_ptr())
        values, base, scale = made_weights.fill(name, tuple(tensor.shape))
        with torch.no_grad():
            tensor.copy_(torch.from_numpy(np.ascontiguousarray(values)))
        tensors.append([name, list(tensor.shape), base, scale])
    return tensors


@torch.no_grad()
def logits(model, ids):
    return model(input_ids=torch.tensor([ids])).logits[0].double()


def case(model, name, ids, steps):
    scores = logits(model, ids).log_softmax(-1)
    value, index = scores[-1].topk(8)
    greedy, margins, text = [], [], list(ids)
    for _ in range(steps):
        top, best = logits(model, text)[-1].topk(2)
        greedy.append(int(best[0]))
        margins.append(round(float(top[0] - top[1]), 5))
        text.append(greedy[-1])
    return dict(name=name, ids=ids,
                prompt_logprobs=[None] + [round(float(scores[t, ids[t + 1]]), 6) for t in range(len(ids) - 1)],
                last_top=[[int(i), round(float(v), 6)] for i, v in zip(index, value)], greedy=greedy,
                greedy_margins=margins)


@torch.no_grad()
def bf16_error(model, cases):
    """What rounding alone does to the reference: a measure for what a device that computes in bf16 may differ by."""
    worst = mean = 0.0
    model = model.bfloat16()
    for c in cases:
        scores = logits(model, c["ids"]).log_softmax(-1)
        off = [abs(float(scores[t, i]) - c["prompt_logprobs"][t + 1]) for t, i in enumerate(c["ids"][1:])]
        top = [abs(float(scores[-1, i]) - value) for i, value in c["last_top"]]
        worst, mean = max([worst, *off, *top]), max(mean, sum(off) / max(1, len(off)))
    return dict(worst=round(worst, 4), mean=round(mean, 4))


def main():
    torch.set_num_threads(2)
    wanted = sys.argv[1:]
    for make in MODELS:
        if wanted and make.__name__ not in wanted:
            continue
        model, config = make()
        tensors = fill(model, config.get("tie_word_embeddings", False))
        random = np.random.default_rng(7)
        # One token; around a window of 8; around 64 and its double; across several blocks of K and V.
        cases = [case(model, f"{n} tokens", random.integers(3, VOCAB, n).tolist(), 12 if n < 100 else 4)
                 for n in (1, 7, 8, 9, 63, 65, 150)]
        out = OUT / make.__name__
        out.mkdir(parents=True, exist_ok=True)
        config = {k: v for k, v in config.items() if k not in ("_name_or_path", "transformers_version")}
        (out / "config.json").write_text(json.dumps(config, indent=1) + "\n")
        (out / "golden.json").write_text(json.dumps(dict(tensors=tensors, cases=cases, bf16=bf16_error(model, cases))) + "\n")
        print(make.__name__, len(tensors), "tensors, least margin",
              min(m for c in cases for m in c["greedy_margins"]), flush=True)


if __name__ == "__main__":
    main()
