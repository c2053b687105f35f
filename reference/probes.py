"""What is measured of a model while it is trained, on the device: recall, NLL, facts; and whether it computes what it should."""
import glob
import json
import pathlib

import numpy as np
import torch
from tokenizers import Tokenizer

import samba_fast
from chat_data import Chat
from recall_data import Recall
from samba_torch import Config, Samba

ROOT = pathlib.Path(__file__).resolve().parents[1]
dev = 'cuda'


@torch.no_grad()
def recall_accuracy(fast, ids, tokenizer, lengths, trials, modes=('one', 'two')):
    """{mode: {length: {depth: [right, trials]}}}; filler in turn noise and books."""
    made, table = Recall(Tokenizer.from_file(tokenizer), ids, 99), {}
    for mode in modes:
        names = ['pass'] if mode == 'one' else ['red', 'blue']
        for n in lengths:
            for depth in (0, .25, .5, .75, 1):
                right = done = 0
                while done < trials:
                    b = min(max(1, 131072 // n), trials - done)
                    x, w, _ = (np.stack(t) for t in zip(*(made.needle(n, made.rng.sample(names, len(names)), [depth, made.rng.random()][:len(names)], 1, ('noise', 'book')[(done + j) % 2]) for j in range(b))))
                    keep = torch.from_numpy(np.flatnonzero(w[:, 1:] == 1)).to(dev)
                    x = torch.from_numpy(x.astype(np.int64)).to(dev)
                    got = fast.logits(fast.hidden(x[:, :-1], keep=keep)).argmax(-1)
                    right += (got == x[:, 1:].flatten()[keep]).view(b, -1).all(1).sum().item()
                    done += b
                table.setdefault(mode, {}).setdefault(str(n), {})[str(depth)] = [right, done]
    return table


@torch.no_grad()
def book_nll(fast, tokenizer):
    """Mean NLL of the held-out texts by position."""
    edges, tokenizer, acc = [0, 128, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536, 131072], Tokenizer.from_file(tokenizer), {}
    for f in sorted(glob.glob(str(ROOT / 'tests/golden/texts/*.txt'))):
        x = torch.tensor([0] + tokenizer.encode(open(f).read(), add_special_tokens=False).ids[:131072], device=dev)
        h = fast.hidden(x[None, :-1])
        nll = torch.cat([samba_fast.losses(h[i:i + 16384], fast.m.backbone.embeddings.weight, x[1 + i:1 + i + 16384], None)[0] for i in range(0, len(h), 16384)])
        for a, b in zip(edges, edges[1:]):
            if b <= len(nll):
                acc.setdefault(f'{a}-{b}', []).append(nll[a:b].mean().item())
    return {k: round(sum(v) / len(v), 4) for k, v in acc.items()}


@torch.no_grad()
def facts_known(fast, tokenizer, facts):
    """[right, asked]: who wrote each book, the whole answer as greedy decoding gives it."""
    chat, right = Chat(Tokenizer.from_file(tokenizer), facts, []), 0
    for i in range(0, len(facts), 128):
        turns = [chat.turn(f'Who wrote {t}?', f'{t} was written by {a}.') for t, a, _ in facts[i:i + 128]]
        L = 1 + max(len(ids) for ids, _ in turns)
        x = torch.tensor([[0, *ids] + [0] * (L - 1 - len(ids)) for ids, _ in turns], device=dev)
        w = torch.tensor([[0, *w] + [0] * (L - 1 - len(w)) for _, w in turns], device=dev)[:, 1:] == 1
        got = fast.logits(fast.hidden(x[:, :-1])).argmax(-1).view(len(x), -1)
        right += ((got == x[:, 1:]) | ~w).all(1).sum().item()
    return [right, len(facts)]


def evaluate(fast, ids, model, facts, lengths, trials):
    tokenizer = f'{model}/tokenizer.json'
    return dict(nll=book_nll(fast, tokenizer), facts=facts_known(fast, tokenizer, facts), recall=recall_accuracy(fast, ids, tokenizer, lengths, trials))


def golden_difference(model, attention, folder):
    """Largest mean difference in log-probability from the fp32 reference's, over the golden prompts of 512 tokens and more."""
    worst, fast = 0, samba_fast.Fast(model, attention)
    for g in json.load(open(f'{folder}/golden.json')):
        if len(g['ids']) >= 512:
            x = torch.tensor(g['ids'], device=dev)
            with torch.no_grad():
                nll = samba_fast.losses(fast.hidden(x[None, :-1]), model.backbone.embeddings.weight, x[1:], None)[0]
            worst = max(worst, (nll + torch.tensor(g['prompt_logprobs'][1:], device=dev)).abs().mean().item())
    return worst


def gradient_difference(attention):
    """Largest relative difference of a gradient from the sequential fp32 path's, at a small size."""
    torch.manual_seed(1)
    c = Config(vocab_size=256, hidden_size=128, num_hidden_layers=4, num_heads=2, num_kv_heads=1, window_size=64, mlp_size=256)
    m = Samba(c).to(dev)
    ids = torch.randint(0, 256, (3, 201), device=dev)
    fast, target = samba_fast.Fast(m, attention), ids[:, 1:].flatten()
    a = torch.autograd.grad(torch.nn.functional.cross_entropy(m.logits(m.hidden(ids[:, :-1])).flatten(0, 1), target), list(m.parameters()))
    b = torch.autograd.grad(fast.token_losses(fast.hidden(ids[:, :-1]), target)[0].mean(), list(m.parameters()))
    return max(((x - y).norm() / (x.norm() + 1e-9)).item() for x, y in zip(a, b))
