"""Samba over a text of any length in fp32, chunk by chunk: the sequential scan and the exact window, with the state carried.

For one sequence. What it keeps between chunks is what a server keeps: the SSM's state, the convolution's last inputs and the
keys and values of the window. Angles of RoPE are taken in double precision.
"""
import torch
import torch.nn.functional as F

CHUNK = 256


class Stream:
    def __init__(self, model):
        c = self.c = model.c
        self.m, self.at = model, 0
        self.state = [dict(h=torch.zeros(c.d_inner, c.state_size), x=torch.zeros(c.conv_kernel - 1, c.d_inner)) if i % 2 == 0 else
                      dict(k=torch.zeros(0, c.num_kv_heads, c.head_dim), v=torch.zeros(0, c.num_kv_heads, c.head_dim)) for i in range(c.num_hidden_layers)]

    def mamba(self, m, u, s):
        c, n = self.c, len(u)
        x, z = m.in_proj(u).chunk(2, -1)                                           # [n, E]
        x = torch.cat([s['x'], x])
        s['x'] = x[-(c.conv_kernel - 1):]
        x = F.silu(sum(x[k:k + n] * m.conv1d.weight[:, 0, k] for k in range(c.conv_kernel)) + m.conv1d.bias)
        dt, B, C = m.x_proj(x).split([c.dt_rank, c.state_size, c.state_size], -1)
        dt = F.softplus(m.dt_proj(dt))
        decay = torch.exp(dt[..., None] * -torch.exp(m.A_log))                     # [n, E, N]
        h = (dt * x)[..., None] * B[:, None]
        last = s['h']
        for t in range(n):
            last = torch.addcmul(h[t], decay[t], last, out=h[t])
        s['h'] = last.clone()
        y = torch.einsum('ten,tn->te', h, C) + m.D * x
        return m.out_proj(y * F.silu(z))

    def attention(self, m, u, s):
        c, n = self.c, len(u)
        place = torch.arange(self.at, self.at + n, dtype=torch.float64)
        angle = place[:, None] * c.rope_theta ** (-torch.arange(0, c.head_dim, 2, dtype=torch.float64) / c.head_dim)
        cos, sin = angle.cos().float()[:, None], angle.sin().float()[:, None]

        def rope(t):
            a, b = t.view(n, -1, c.head_dim).chunk(2, -1)
            return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)

        q, k, v = rope(m.q_proj(u)), rope(m.k_proj(u)), m.v_proj(u).view(n, -1, c.head_dim)
        k, v = torch.cat([s['k'], k]), torch.cat([s['v'], v])
        s['k'], s['v'] = k[-(c.window_size - 1):], v[-(c.window_size - 1):]
        behind = torch.arange(len(k) - n, len(k))[:, None] - torch.arange(len(k))  # [n, keys]
        mask = (behind >= 0) & (behind < c.window_size)
        times = c.num_heads // c.num_kv_heads
        k, v = (t.repeat_interleave(times, 1).transpose(0, 1) for t in (k, v))
        return m.o_proj(F.scaled_dot_product_attention(q.transpose(0, 1), k, v, attn_mask=mask).transpose(0, 1).reshape(n, -1))

    @torch.no_grad()
    def chunk(self, ids):
        x = self.m.backbone.embeddings(ids)
        for i, (layer, s) in enumerate(zip(self.m.backbone.layers, self.state)):
            mix = self.attention if i % 2 else self.mamba
            x = x + mix(layer.mixer, layer.mixer_norm(x), s)
            x = x + layer.mlp(layer.mlp_norm(x))
        self.at += len(ids)
        return self.m.backbone.norm_f(x)

    @torch.no_grad()
    def logprobs(self, ids):
        """Log-probabilities of ids[1:], given what went before."""
        parts = []
        for i in range(0, len(ids) - 1, CHUNK):
            target = ids[i + 1:i + CHUNK + 1]
            logits = self.m.logits(self.chunk(ids[i:i + len(target)])).log_softmax(-1)
            parts.append(logits.gather(-1, target[:, None])[:, 0])
        return torch.cat(parts)
