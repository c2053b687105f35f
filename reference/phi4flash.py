"""SambaY with differential attention (Phi-4-mini-flash-reasoning, arXiv 2507.06607), from the papers' formulas: the
fp32 oracle for model_type phi4flash. Nothing is cached, nothing skipped, every head and stream is a loop of its own:
slow, and with no place for a cache, a head map or a fused kernel to be wrong in. Differential attention is arXiv
2410.05258; Mamba-1 is arXiv 2312.00752.

Tensors carry the names of the published checkpoint.
"""
import math

import torch
import torch.nn as nn
import torch.nn.functional as F


class Mamba(nn.Module):
    def __init__(self, c):
        super().__init__()
        d, e, n, r = c["hidden_size"], c["mamba_expand"] * c["hidden_size"], c["mamba_d_state"], c["mamba_dt_rank"]
        self.n, self.r = n, r
        self.in_proj = nn.Linear(d, 2 * e, bias=False)
        self.conv1d = nn.Conv1d(e, e, c["mamba_d_conv"], groups=e, padding=c["mamba_d_conv"] - 1)
        self.x_proj = nn.Linear(e, r + 2 * n, bias=False)
        self.dt_proj = nn.Linear(r, e)
        self.A_log = nn.Parameter(torch.zeros(e, n))
        self.D = nn.Parameter(torch.ones(e))
        self.out_proj = nn.Linear(e, d, bias=False)

    def forward(self, h):
        """h [L, d] -> output [L, d], memory [L, e]: after the skip, before the gate."""
        length = h.shape[0]
        x, z = self.in_proj(h).chunk(2, -1)
        x = F.silu(self.conv1d(x.T[None])[0, :, :length].T)
        r, b, c = self.x_proj(x).split([self.r, self.n, self.n], -1)
        delta = F.softplus(self.dt_proj(r))
        a = -self.A_log.exp()
        state = torch.zeros_like(a)
        rows = []
        for t in range(length):
            state = torch.exp(delta[t, :, None] * a) * state + (delta[t] * x[t])[:, None] * b[t][None]
            rows.append(state @ c[t])
        memory = torch.stack(rows) + self.D * x
        return self.out_proj(memory * F.silu(z)), memory


class Gmu(nn.Module):
    """Gated memory unit: the memory of the same token, gated."""

    def __init__(self, c):
        super().__init__()
        d, e = c["hidden_size"], c["mamba_expand"] * c["hidden_size"]
        self.in_proj = nn.Linear(d, e, bias=False)
        self.out_proj = nn.Linear(e, d, bias=False)

    def forward(self, h, memory):
        return self.out_proj(F.silu(self.in_proj(h)) * memory)


class Lambdas(nn.Module):
    def __init__(self, size):
        super().__init__()
        for name in ("lambda_q1", "lambda_k1", "lambda_q2", "lambda_k2"):
            self.register_parameter(name, nn.Parameter(torch.zeros(size)))
        self.subln = nn.Module()
        self.subln.weight = nn.Parameter(torch.ones(2 * size))


class DifferentialAttention(nn.Module):
    """`layer` is the 0-based index in the whole model. Cross layers have queries alone."""

    def __init__(self, c, layer, window, cross):
        super().__init__()
        self.heads, self.kv_heads = c["num_attention_heads"], c["num_key_value_heads"]
        self.size = c["hidden_size"] // self.heads
        self.layer, self.window, self.cross = layer, window, cross
        rows = self.heads + (0 if cross else 2 * self.kv_heads)
        self.Wqkv = nn.Linear(c["hidden_size"], rows * self.size)
        self.out_proj = nn.Linear(self.heads * self.size, c["hidden_size"])
        self.inner_cross_attn = Lambdas(self.size)

    def stream(self, q, k, v, mask):
        scores = (q @ k.T) / math.sqrt(self.size)
        return scores.masked_fill(~mask, float("-inf")).softmax(-1) @ v

    def forward(self, h, kv=None):
        """h [L, d] -> output [L, d], (k, v) [L, kv_heads, size]."""
        length = h.shape[0]
        parts = self.Wqkv(h).view(length, -1, self.size)
        q = parts[:, :self.heads]
        k, v = kv if self.cross else (parts[:, self.heads:self.heads + self.kv_heads],
                                      parts[:, self.heads + self.kv_heads:])
        i = torch.arange(length)
        mask = i[None, :] <= i[:, None]
        if self.window is not None:
            mask &= i[:, None] - i[None, :] < self.window
        w = self.inner_cross_attn
        initial = 0.8 - 0.6 * math.exp(-0.3 * self.layer)
        lam = torch.exp(w.lambda_q1 @ w.lambda_k1) - torch.exp(w.lambda_q2 @ w.lambda_k2) + initial
        ratio = self.heads // self.kv_heads
        outputs = []
        for j in range(self.heads // 2):  # pairs of query heads
            p = j // ratio  # pair of key and value heads
            wide = torch.cat([v[:, 2 * p], v[:, 2 * p + 1]], -1)
            one = self.stream(q[:, 2 * j], k[:, 2 * p], wide, mask)
            two = self.stream(q[:, 2 * j + 1], k[:, 2 * p + 1], wide, mask)
            o = one - lam * two
            o = o / torch.sqrt(o.pow(2).mean(-1, keepdim=True) + 1e-5) * w.subln.weight
            outputs.append(o * (1 - initial))
        return self.out_proj(torch.cat(outputs, -1)), (k, v)


class Mlp(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.fc1 = nn.Linear(c["hidden_size"], 2 * c["intermediate_size"], bias=False)
        self.fc2 = nn.Linear(c["intermediate_size"], c["hidden_size"], bias=False)

    def forward(self, h):
        gate, up = self.fc1(h).chunk(2, -1)
        return self.fc2(up * F.silu(gate))


class Layer(nn.Module):
    def __init__(self, c, i):
        super().__init__()
        half = c["num_hidden_layers"] // 2
        eps = c["layer_norm_eps"]
        self.input_layernorm = nn.LayerNorm(c["hidden_size"], eps)
        if i % c["mb_per_layer"] == 0:
            self.attn = Gmu(c) if i >= half + 2 else Mamba(c)
        else:
            self.attn = DifferentialAttention(c, i, c["sliding_window"] if i < half else None, cross=i >= half + 2)
        self.post_attention_layernorm = nn.LayerNorm(c["hidden_size"], eps)
        self.mlp = Mlp(c)


class Phi4Flash(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.half = c["num_hidden_layers"] // 2
        self.model = nn.Module()
        self.model.embed_tokens = nn.Embedding(c["vocab_size"], c["hidden_size"])
        self.model.layers = nn.ModuleList(Layer(c, i) for i in range(c["num_hidden_layers"]))
        self.model.final_layernorm = nn.LayerNorm(c["hidden_size"], c["layer_norm_eps"])

    def hidden(self, ids):
        x = self.model.embed_tokens(ids)
        memory = kv = None
        for i, layer in enumerate(self.model.layers):
            h = layer.input_layernorm(x)
            if isinstance(layer.attn, Mamba):
                out, m = layer.attn(h)
                memory = m if i == self.half else memory
            elif isinstance(layer.attn, Gmu):
                out = layer.attn(h, memory)
            else:
                out, own = layer.attn(h, kv)
                kv = own if i == self.half + 1 else kv
            x = x + out
            x = x + layer.mlp(layer.post_attention_layernorm(x))
        return self.model.final_layernorm(x)

    def forward(self, input_ids):
        class Output:
            logits = F.linear(self.hidden(input_ids[0]), self.model.embed_tokens.weight)[None]
        return Output


def small_model(vocab):
    """The least that covers everything: all five kinds of layers, two pairs of K/V heads (so that a wrong head map
    shows), a window that texts outgrow."""
    c = dict(architectures=["Phi4FlashForCausalLM"], model_type="phi4flash", hidden_size=512, intermediate_size=96,
             num_hidden_layers=8, num_attention_heads=8, num_key_value_heads=4, mb_per_layer=2, sliding_window=8,
             hidden_act="silu", layer_norm_eps=1e-5, tie_word_embeddings=True, mlp_bias=False, lm_head_bias=False,
             vocab_size=vocab, max_position_embeddings=4096, bos_token_id=1, eos_token_id=2, pad_token_id=0,
             mamba_d_state=16, mamba_d_conv=4, mamba_expand=1, mamba_dt_rank=20)
    return Phi4Flash(c).float().eval(), c
