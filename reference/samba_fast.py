"""Samba's forward and backward pass as it is trained: the function of samba_torch.py on bf16 matrices, fused.

A batch is T tokens, B sequences of L behind one another (T = B·L). All but the scan and attention is written over T alone,
so that one compilation serves every length of sequence. The Mamba layers keep [channels, T], the layout of the scan.
Weights are cast to bf16 where they are used, as they are saved; the residual stream, norms and A stay fp32.
"""
import torch
import torch.nn.functional as F

from scan_ext import scan


def rms(x, weight, eps):
    return (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps) * weight).bfloat16()


def mamba_in(x, norm, w_in, conv_w, conv_b, w_x, w_dt, pos, eps, N):
    """[T, D] -> x [E, T], dt [E, T] before its bias, B [N, T], C [N, T], z [E, T]. `pos` [T]: place in the sequence."""
    xz = w_in.bfloat16() @ rms(x, norm, eps).t()
    E, R, K = w_dt.shape[0], w_dt.shape[1], conv_w.shape[-1]
    x, z = xz[:E].float(), xz[E:]
    taps = conv_w[:, 0].bfloat16().float()
    a = conv_b[:, None] + taps[:, K - 1:] * x
    for k in range(1, K):  # no tap reaches into the sequence before
        a = a + taps[:, K - 1 - k, None] * F.pad(x, (k, 0))[:, :x.shape[1]] * (pos >= k)
    x = F.silu(a).bfloat16()
    p = w_x.bfloat16() @ x
    return x, w_dt.bfloat16() @ p[:R], p[R:R + N], p[R + N:], z


def attention_in(x, norm, w_q, w_k, w_v, cos, sin, eps, hd):
    """[T, D] -> q [T, H, hd], k and v [T, G, hd]; cos, sin [T, 1, hd/2]."""
    u = rms(x, norm, eps)
    q, k, v = (F.linear(u, w.bfloat16()).view(len(x), -1, hd) for w in (w_q, w_k, w_v))

    def rope(t):
        a, b = t.float().chunk(2, -1)
        return torch.cat([a * cos - b * sin, b * cos + a * sin], -1).bfloat16()

    return rope(q), rope(k), v


def block_out(x, y, w_o, norm, w_gate, w_up, w_down, eps):
    """Residual x [T, D] and the mixer's y [T, ·] -> [T, D] after both residual additions and the MLP."""
    x = x + F.linear(y, w_o.bfloat16()).float()
    u = rms(x, norm, eps)
    return x + F.linear(F.silu(F.linear(u, w_gate.bfloat16())) * F.linear(u, w_up.bfloat16()), w_down.bfloat16()).float()


def losses(h, embedding, targets, teacher):
    """Of each token: cross entropy, and cross entropy against what another model's h says (None: left out)."""
    logits = F.linear(h, embedding.bfloat16()).float()
    lse = torch.logsumexp(logits, -1)
    nll = lse - logits.gather(-1, targets[:, None])[:, 0]
    if teacher is None:
        return nll, nll
    p = F.linear(*teacher).float().softmax(-1)
    return nll, lse - (p * logits).sum(-1)


def flash(q, k, v, W):
    """[B, L, heads, hd]; causal, W tokens of window, the query's own among them."""
    L = q.shape[1]
    return torch.ops.aten._flash_attention_forward(q, k, v, None, None, L, L, 0.0, True, False, window_size_left=W - 1, window_size_right=0)[0]


def chunked(q, k, v, W):
    """The same without flash attention's own operator: W queries against their chunk and the one before."""
    B, L, H, hd = q.shape
    pad, G = (-L) % W, k.shape[2]
    q, k, v = (F.pad(t, (0, 0, 0, 0, 0, pad)) for t in (q, k, v))
    C = (L + pad) // W
    kw, vw = (F.pad(t, (0, 0, 0, 0, W, 0)).unfold(1, 2 * W, W).permute(0, 1, 2, 4, 3).repeat_interleave(H // G, 2)
              .reshape(B * C, H, 2 * W, hd) for t in (k, v))
    i, j = torch.arange(W, device=q.device)[:, None], torch.arange(2 * W, device=q.device)
    mask = ((j <= i + W) & (j > i)).repeat(C, 1, 1)
    mask[0] &= j >= W
    o = F.scaled_dot_product_attention(q.view(B, C, W, H, hd).transpose(2, 3).reshape(B * C, H, W, hd), kw, vw, attn_mask=mask.repeat(B, 1, 1)[:, None])
    return o.view(B, C, H, W, hd).transpose(2, 3).reshape(B, L + pad, H, hd)[:, :L]


class Fast:
    """`model`: a samba_torch.Samba. compiled: through torch.compile, one compilation for each number of tokens."""

    def __init__(self, model, attention=flash, compiled=False):
        self.m, self.c, self.attention = model, model.c, attention
        wrap = (lambda f: torch.compile(f, dynamic=False)) if compiled else (lambda f: f)
        self.mamba_in, self.attention_in, self.block_out, self.losses = map(wrap, (mamba_in, attention_in, block_out, losses))

    def hidden(self, ids, window=None, keep=None, seen=None):
        """ids [B, L] -> bf16 [B·L, D] after the last norm, or of the tokens `keep` alone. `seen`: gets each Mamba layer's
        mean size of x and y by channel."""
        c, (B, L) = self.c, ids.shape
        T, W = B * L, window or c.window_size
        place = torch.arange(L, device=ids.device)
        pos = place.repeat(B)
        angle = place.double()[:, None] * c.rope_theta ** (-torch.arange(0, c.head_dim, 2, device=ids.device).double() / c.head_dim)
        cos, sin = (f(angle).float().repeat(B, 1)[:, None] for f in (torch.cos, torch.sin))
        b = self.m.backbone
        x = F.embedding(ids.flatten(), b.embeddings.weight).bfloat16().float()
        for i, layer in enumerate(b.layers):
            mix, mlp = layer.mixer, layer.mlp
            if i % 2 == 0:
                u, dt, Bm, Cm, z = self.mamba_in(x, layer.mixer_norm.weight, mix.in_proj.weight, mix.conv1d.weight, mix.conv1d.bias,
                                                 mix.x_proj.weight, mix.dt_proj.weight, pos, c.norm_eps, c.state_size)
                u, dt, Bm, Cm, z = (t.view(len(t), B, L).transpose(0, 1) for t in (u, dt, Bm, Cm, z))
                y = scan(u, dt, -torch.exp(mix.A_log), Bm, Cm, mix.D, z, mix.dt_proj.bias)
                if seen is not None:
                    seen[i] = u.float().abs().mean((0, 2)), y.float().abs().mean((0, 2))
                y, w_o = y.transpose(0, 1).reshape(c.d_inner, T).t(), mix.out_proj.weight
            else:
                q, k, v = self.attention_in(x, layer.mixer_norm.weight, mix.q_proj.weight, mix.k_proj.weight, mix.v_proj.weight,
                                            cos, sin, c.norm_eps, c.head_dim)
                y = self.attention(*(t.view(B, L, -1, c.head_dim) for t in (q, k, v)), W)
                y, w_o = y.reshape(T, c.hidden_size), mix.o_proj.weight
            x = self.block_out(x, y, w_o, layer.mlp_norm.weight, mlp.gate_proj.weight, mlp.up_proj.weight, mlp.down_proj.weight, c.norm_eps)
        return rms(x if keep is None else x.index_select(0, keep), b.norm_f.weight, c.norm_eps)

    def token_losses(self, h, targets, teacher=None):
        return self.losses(h, self.m.backbone.embeddings.weight, targets, teacher)

    def logits(self, h):
        return F.linear(h, self.m.backbone.embeddings.weight.bfloat16()).float()
