"""Train a checkpoint further, until it recalls keys from any distance, without it losing what it knows.

    python reference/train_recall.py DATA RUN --seconds 520 [--tokens 32768] [--final]

DATA: what prepare.py left (books.npz[.xz], facts.json). Starts from --model, or goes on from RUN/recall.pt. Each step is a
batch of books, which also follows the first checkpoint's own predictions (teacher), and chat, and a batch of recall:

- Keys are stated and asked for all over a sequence, so that one batch holds hundreds of answers (recall_data.py).
- In recall batches attention sees only a window smaller than the distance: what is further has to go through the SSM.
- The distance (`reach`) doubles whenever nine in ten digits of the present one come right.
- Some channels of the later Mamba layers, those that matter least, start anew with slow decay: memory is not found by
  gradients that have to travel through channels that forgot.
- --reach: for a checkpoint that recalls already: the distance to begin with, and all channels stay.
- --final: the learning rate falls to nothing over the last half of the time. Otherwise the average of weights is written.

Writes RUN/recall.pt every minute and RUN/log.jsonl, at the end RUN/model.safetensors and RUN/report.json.
"""
import argparse
import copy
import glob
import io
import json
import lzma
import math
import multiprocessing
import os
import pathlib
import random
import re
import sys
import time

import numpy as np
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import samba_fast
from chat_data import Chat
from export import save_weights
from probes import evaluate, golden_difference, gradient_difference, recall_accuracy
from recall_data import Recall
from samba_torch import Config, Samba

ROOT = pathlib.Path(__file__).resolve().parents[1]
REACH = [64 << k for k in range(12)]
NEW_CHANNELS = 128  # of each of the later Mamba layers
ROW = 2048          # tokens of a row of books or chat
dev = 'cuda'


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('data')
    p.add_argument('run')
    p.add_argument('--model', default=str(ROOT / 'models/samba-classics-18m'))
    p.add_argument('--seconds', type=float, required=True, help='of wall time, evaluation included')
    p.add_argument('--tokens', type=int, default=32768, help='of each of a step\'s two batches, and the longest sequence')
    p.add_argument('--lr', type=float, default=1e-3)
    p.add_argument('--teacher', type=float, default=0.5, help='its share of the loss on books')
    p.add_argument('--chat', type=float, default=1 / 6, help='share of the rows of books and chat')
    p.add_argument('--facts', type=float, default=0.2, help='share of the chat tasks that ask who wrote what')
    p.add_argument('--reach', type=int, choices=REACH)
    p.add_argument('--final', action='store_true')
    p.add_argument('--eager', action='store_true', help='without torch.compile')
    p.add_argument('--seed', type=int, default=0)
    p.add_argument('--workers', type=int, default=12)
    return p.parse_args()


def read_books(folder):
    """ids (uint16, all books behind one another), where each begins, facts, and per book its (title, author, year)."""
    ids, starts, owner, base = [], [], [], 0
    for f in sorted(glob.glob(f'{folder}/books*.npz*')):
        raw = open(f, 'rb').read()
        z = np.load(io.BytesIO(lzma.decompress(raw) if f.endswith('.xz') else raw))
        ids.append(z['ids'])
        starts += [int(s) + base for s in z['starts']]
        owner += z['book'].tolist()
        base += len(z['ids'])
    facts = json.load(open(f'{folder}/facts.json'))
    return np.concatenate(ids), starts, [facts[i] for i in owner], [f for f in facts if f[0] and f[1]]


def chat_rows(job):
    tokenizer, folder, rows, share, seed = job
    tokenizer = Tokenizer.from_file(tokenizer)
    ids, starts, owner, facts = read_books(folder)
    rng, passages = random.Random(seed), []
    for i in rng.sample(range(len(starts)), min(120, len(starts))):
        text = tokenizer.decode(ids[starts[i]:(starts[i + 1] if i + 1 < len(starts) else len(ids))].tolist())
        paras = [q.strip() for q in re.split(r'\n\s*\n', text.split('-------', 1)[-1]) if 40 < len(q.strip()) < 2500 and not q.strip().startswith('#')]
        if len(paras) > 5:
            passages.append((owner[i][1], paras))
    return Chat(tokenizer, facts, passages, seed, share).pack(rows, ROW)


def recall_batches(options, ids, level, queue, seed):
    """A worker: puts (level, window, ids, kept positions, targets, weights, distances) into the queue for ever."""
    torch.set_num_threads(1)
    recall = Recall(Tokenizer.from_file(f'{options.model}/tokenizer.json'), ids, seed)
    rng, T, top = recall.rng, options.tokens, len(REACH) - 1
    while True:
        now = level.value
        r = rng.random()
        k = now if r < 0.5 else min(now + 1, top) if r < 0.6 else rng.randint(0, now)
        reach = REACH[k]
        length = min(T, max(1024, 4 * reach))
        chat = rng.random() < 0.15
        if reach >= 512 and rng.random() < 0.4:
            length = min(T, max(512, rng.choice([1, 2]) * reach))
            make = lambda: recall.needle(length, chat=chat)
        else:
            make = lambda: recall.stream(length, min(reach, T), 2 if now < 4 else 4)
        window = 512  # or so small that four layers of attention can't pass a key on from window to window
        if reach < 1024:
            window = rng.choice([w for w in (16, 32) if w <= max(16, reach // 16)])
        elif rng.random() < 0.5:
            window = rng.choice([w for w in (32, 64, 128) if w <= reach // 16])
        x, w, far = (np.stack(t) for t in zip(*(make() for _ in range(T // length))))
        keep = np.flatnonzero(w[:, 1:])
        if len(keep) < 8:
            continue
        queue.put((k, window, x[:, :-1].astype(np.int32), keep, x[:, 1:].flatten()[keep].astype(np.int64), w[:, 1:].flatten()[keep], far[:, 1:].flatten()[keep]))


def renew(fast, ids):
    """Starts the least used channels of all Mamba layers but the first anew, with decays from fast to hardly any."""
    seen = {}
    with torch.no_grad():
        fast.hidden(ids, seen=seen)
        for i, (u, y) in seen.items():  # u: what B, C and dt are made of, y: what goes out
            if i == 0:
                continue
            m = fast.m.backbone.layers[i].mixer
            out, into = y * m.out_proj.weight.norm(dim=0), u * m.x_proj.weight.norm(dim=0)
            use = out / out.sum() + into / into.sum()
            e = use.argsort()[:NEW_CHANNELS]
            n, E, like = len(e), len(use), dict(device=use.device)
            say('renew', layer=i, share=round((use[e].sum() / use.sum()).item(), 4))
            m.in_proj.weight[e] = torch.randn(n, m.in_proj.weight.shape[1], **like) * 0.04
            m.in_proj.weight[E + e] = torch.randn(n, m.in_proj.weight.shape[1], **like) * 0.04
            m.conv1d.weight[e] = torch.rand(n, *m.conv1d.weight.shape[1:], **like) - 0.5
            m.conv1d.bias[e] = 0
            m.x_proj.weight[:, e] = torch.randn(m.x_proj.weight.shape[0], n, **like) * 0.01
            m.dt_proj.weight[e] = (torch.rand(n, m.dt_proj.weight.shape[1], **like) - 0.5) * m.dt_proj.weight.abs().mean()
            dt = torch.exp(torch.rand(n, **like) * math.log(100) + math.log(0.001))
            m.dt_proj.bias[e] = dt + torch.log(-torch.expm1(-dt))
            m.A_log[e] = (torch.rand(n, 1, **like) * -10 * math.log(2)).expand(-1, m.A_log.shape[1])
            m.D[e] = 0
            m.out_proj.weight[:, e] = torch.randn(m.out_proj.weight.shape[0], n, **like) * 0.005


def choose_attention(model, options):
    """The fastest that computes what the reference does, there and back."""
    for name, attention in (('flash', samba_fast.flash), ('chunked', samba_fast.chunked)):
        try:
            there, back = golden_difference(model, attention, options.model), gradient_difference(attention)
            say('check', attention=name, golden=round(there, 5), gradients=round(back, 5))
            if there < 0.05 and back < 0.2:
                return attention
        except RuntimeError as error:  # an operator that this version of PyTorch has not
            say('check', attention=name, error=str(error)[:300])
    sys.exit('neither attention agrees with the reference')


def say(kind, **what):
    line = json.dumps({'kind': kind, 't': round(time.time() - START, 1), **what})
    print(line, flush=True)
    if LOG:
        LOG.write(line + '\n')
        LOG.flush()


START, LOG = time.time(), None


def main():
    global LOG
    o = arguments()
    os.makedirs(o.run, exist_ok=True)
    LOG = open(f'{o.run}/log.jsonl', 'a')
    random.seed(o.seed)
    torch.manual_seed(o.seed)
    ids, starts, owner, facts = read_books(o.data)
    say('data', tokens=len(ids), books=len(starts), facts=len(facts))

    # workers begin before CUDA does
    fork, level, queue = multiprocessing.get_context('fork'), multiprocessing.Value('i', 0), multiprocessing.get_context('fork').Queue(24)
    state = torch.load(f'{o.run}/recall.pt', map_location='cpu', weights_only=False) if os.path.exists(f'{o.run}/recall.pt') else None
    level.value = state['level'] if state else REACH.index(o.reach) if o.reach else 0
    seed = o.seed * 1000 + (state['step'] if state else 0)
    workers = [fork.Process(target=recall_batches, args=(o, ids, level, queue, seed + w + 1), daemon=True) for w in range(o.workers)]
    for worker in workers:
        worker.start()
    pool = fork.Pool(6)
    chat_job = pool.map_async(chat_rows, [(f'{o.model}/tokenizer.json', o.data, 200, o.facts, seed + 100 + k) for k in range(6)])

    m = Samba(Config()).to(dev)
    first = {k: v.float() for k, v in load_file(f'{o.model}/model.safetensors').items()}
    m.load_state_dict(first)
    attention = choose_attention(m, o)
    plain = samba_fast.Fast(m, attention)
    teacher = samba_fast.Fast(copy.deepcopy(m).requires_grad_(False), attention, not o.eager)
    tokens = torch.from_numpy(ids.astype(np.int32)).to(dev)
    if state:
        m.load_state_dict(state['model'])
    else:
        say('before', **evaluate(plain, ids, o.model, facts, [1024, 4096], 20))
        if not o.reach:
            renew(plain, tokens[:32768].long().view(16, 2048))
    average = copy.deepcopy(m.state_dict())
    decay, no_decay, slow = [], [], []
    for n, p in m.named_parameters():
        (slow if 'A_log' in n or 'dt_proj.bias' in n else decay if p.dim() == 2 and 'embeddings' not in n else no_decay).append(p)
    opt = torch.optim.AdamW([{'params': decay, 'weight_decay': 0.05, 'times': 1}, {'params': no_decay, 'weight_decay': 0.0, 'times': 1},
                             {'params': slow, 'weight_decay': 0.0, 'times': 5}], lr=o.lr, betas=(0.9, 0.95), fused=True)
    step, done, scale = 0, 0, 1.0
    if state:
        opt.load_state_dict(state['optimizer'])
        step, average = state['step'], {k: v.to(dev) for k, v in state['average'].items()}
        del state
    cx, cw = (torch.from_numpy(np.concatenate(t).astype(kind)).to(dev) for t, kind in zip(zip(*chat_job.get()), (np.int32, np.float32)))
    pool.terminate()
    say('chat', rows=len(cx))

    fast = samba_fast.Fast(m, attention, not o.eager)
    ar, T, rows = torch.arange(max(o.tokens, ROW) + 1, device=dev), o.tokens, o.tokens // ROW

    def books():
        if rows < 2 or random.random() < 0.3:  # one long text, one book after another
            at = torch.randint(0, len(tokens) - T - 1, (1, 1), device=dev)
            return tokens[at + ar[:T + 1]].long(), torch.ones(1, T + 1, device=dev), torch.full((1, 1), o.teacher, device=dev)
        n = max(1, int(rows * o.chat))
        at, c = torch.randint(0, len(tokens) - ROW - 1, (rows - n, 1), device=dev), torch.randint(0, len(cx), (n,), device=dev)
        return torch.cat([tokens[at + ar[:ROW + 1]].long(), cx[c].long()]), torch.cat([torch.ones(rows - n, ROW + 1, device=dev), cw[c]]), o.teacher * (torch.arange(rows, device=dev) < rows - n).float()[:, None]

    def train_step():
        x, w, taught_share = books()
        target, w, taught_share = x[:, 1:].flatten(), w[:, 1:].flatten(), taught_share.expand(-1, x.shape[1] - 1).flatten()
        with torch.no_grad():
            taught = teacher.hidden(x[:, :-1])
        nll, soft = fast.token_losses(fast.hidden(x[:, :-1]), target, (taught, teacher.m.backbone.embeddings.weight.bfloat16()))
        lm = (nll * w).sum() / w.sum()
        ((((1 - taught_share) * nll + taught_share * soft) * w).sum() / w.sum()).backward()
        k, window, x, keep, target, w, far = queue.get(timeout=60)
        x, keep, target, w, far = (torch.from_numpy(t).to(dev, non_blocking=True) for t in (x, keep, target, w, far))
        h = fast.hidden(x.long(), window, keep)
        logits = torch.nn.functional.linear(h, m.backbone.embeddings.weight.bfloat16()).float()
        ce = torch.nn.functional.cross_entropy(logits, target, reduction='none')
        recall = (ce * w).sum() / w.sum()
        recall.backward()
        norm = torch.nn.utils.clip_grad_norm_(m.parameters(), 1.0)
        opt.step()
        opt.zero_grad(set_to_none=True)
        hard = far > window
        return k, torch.stack([v.detach().float() for v in (lm, recall, norm, ((logits.argmax(-1) == target) & hard).sum(), hard.sum())])

    def save():
        torch.save({'model': m.state_dict(), 'optimizer': opt.state_dict(), 'average': average, 'step': step, 'level': level.value}, f'{o.run}/recall.pt.part')
        os.replace(f'{o.run}/recall.pt.part', f'{o.run}/recall.pt')

    begin = time.time()
    spare = min(45, o.seconds * 0.1)  # kept for the evaluation at the end
    saved, seen, right, start_step, lm_mean = time.time(), [], {}, step, None
    names = list(dict(m.named_parameters()))
    while (now := time.time() - START) < o.seconds - spare:
        share = (now - (begin - START)) / (o.seconds - spare - (begin - START))
        lr = o.lr * scale * min(1, (step - start_step + 1) / 100)
        if o.final and share > 0.45:
            lr *= 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * (share - 0.45) / 0.55))
        for g in opt.param_groups:
            g['lr'] = lr * g['times']
        seen.append(train_step())
        step, done = step + 1, done + 2 * T
        if step % 4 == 0:
            params = dict(m.named_parameters())
            torch._foreach_lerp_([average[n] for n in names], [params[n].detach() for n in names], 1 - 0.992)
        if step - start_step == 1:
            say('compiled')
            begin = time.time()
            done = 0
        if step % 10 == 0:
            values = torch.stack([v for _, v in seen]).tolist()
            for (k, _), v in zip(seen, values):
                if v[4] >= 20:
                    right[k] = 0.9 * right.get(k, 0) + 0.1 * v[3] / v[4]
            lm, recall = (sum(v[i] for v in values) / len(values) for i in (0, 1))
            lm_mean = lm if lm_mean is None else 0.95 * lm_mean + 0.05 * lm
            if not math.isfinite(lm + recall) or lm_mean > 5.5:
                say('diverged', lm=lm, recall=recall)
                if os.path.exists(f'{o.run}/recall.pt'):
                    old = torch.load(f'{o.run}/recall.pt', map_location=dev, weights_only=False)
                    m.load_state_dict(old['model'])
                    opt.load_state_dict(old['optimizer'])
                else:
                    m.load_state_dict(first)
                    opt.state.clear()
                scale, lm_mean = scale / 2, None
            top = min(len(REACH) - 1, int(math.log2(T / 64)))
            if right.get(level.value, 0) > 0.9 and level.value < top:
                level.value += 1
                right[level.value] = 0
                say('level', reach=REACH[level.value], step=step)
            if step % 50 == 0:
                say('step', step=step, tps=round(done / (time.time() - begin)), lr=lr, lm=round(lm, 4), recall=round(recall, 4), norm=round(values[-1][2], 3), reach=REACH[level.value],
                    waiting=queue.qsize(), right={REACH[k]: round(v, 3) for k, v in sorted(right.items())})
            seen = []
        if time.time() - saved > 60:
            save()
            say('midway', recall=recall_accuracy(plain, ids, f'{o.model}/tokenizer.json', [1024, 4096, 16384], 4, ('one',)), a_log=[round(l.mixer.A_log.min().item(), 2) for l in m.backbone.layers[::2]])
            saved = time.time()
    save()
    weights = m.state_dict() if o.final else average
    save_weights(weights, f'{o.run}/model.safetensors')
    m.load_state_dict({k: v.float() for k, v in load_file(f'{o.run}/model.safetensors').items()})
    torch.cuda.empty_cache()
    report = dict(steps=step, seconds=round(time.time() - START), tokens_this_run=done, level=REACH[level.value], gpu=torch.cuda.get_device_name(), memory_gib=round(torch.cuda.max_memory_allocated() / 2**30, 1))
    for part, f in (('short', lambda: evaluate(plain, ids, o.model, facts, [1024, 4096, 16384], 20)), ('long', lambda: dict(recall=recall_accuracy(plain, ids, f'{o.model}/tokenizer.json', [65536, 262144], 6)))):
        if time.time() - START < o.seconds - 5:
            report[part] = f()
            say(part, **report[part])
        json.dump(report, open(f'{o.run}/report.json', 'w'), indent=1)
    for worker in workers:
        worker.kill()
    os._exit(0)  # the queue's threads wait for readers that no longer come


if __name__ == '__main__':
    main()
