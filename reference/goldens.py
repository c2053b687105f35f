"""Reference values of a checkpoint, fp32: golden.json (and tokenizer_golden.json) beside it, nll.json of long texts.

    python reference/goldens.py MODEL DATA [--texts tests/golden/texts]

MODEL: what export.py wrote; DATA: what prepare.py left (the held-out books). On the CPU, some minutes.
"""
import argparse
import glob
import json
import os
import pathlib
import random
import sys

import numpy as np
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from samba_stream import CHUNK, Stream
from samba_torch import Config, Samba

EDGES = [0, 128, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536, 131072]
SAMPLES = [0, 511, 512, 2047, 8191, 32767, 65535, 100000, 131071]
INTRO = 'There is an important info hidden inside a lot of irrelevant text. Find it and memorize it. I will quiz you about the important information there.\n'
NOISE = 'The grass is green. The sky is blue. The sun is yellow. Here we go. There and back again. '
STRINGS = ['', ' ', 'Hello, world!', 'don\'t DON\'T we\'ll I\'M', '  leading', 'trailing  ', 'a\n\nb\r\nc\td', '12345 6.789 1e10', 'naïve café Ærøskøbing', '日本語のテキスト 中文',
           '🙂👩‍👩‍👧 emoji', 'mixed 中a1b2 c3', '<|endoftext|>', 'x<|im_start|>user\nhi<|im_end|>', '\u00a0nbsp\u2003em', 'ﬁ ligature e\u0301 vs é',
           'C++17 x86_64 https://a.b/c?d=e&f', 'tabs\t\tand   many     spaces', '“quotes” — dash… ‘single’', 'İstanbul ſtraße ǅ', 'ЁЖИК привет', 'हिन्दी ภาษาไทย',
           '\u0000\u0001ctrl', 'a' * 300, '...!!!???', '\n', '\n\n\n', ' \n ', '1 2  3   4', 'e\u200dmoji\u200b zero']


class Goldens:
    def __init__(self, model, data):
        self.m = Samba(Config())
        self.m.load_state_dict({k: v.float() for k, v in load_file(f'{model}/model.safetensors').items()})
        self.tok = Tokenizer.from_file(f'{model}/tokenizer.json')
        self.books = [np.load(f).astype(np.int64) for f in sorted(glob.glob(f'{data}/val*.npy'))]

    def encode(self, text):
        return self.tok.encode(text, add_special_tokens=False).ids

    @torch.no_grad()
    def logits(self, ids):
        return self.m.logits(self.m.hidden(torch.tensor(ids)[None]))[0].double()

    @torch.no_grad()
    def greedy(self, ids, n):
        """A continuation, made token by token with state carried."""
        stream, out, new = Stream(self.m), [], torch.tensor(ids)
        while len(out) < n and (not out or out[-1] not in (0, 2)):
            for piece in new.split(CHUNK):
                h = stream.chunk(piece)
            out.append(int(self.m.logits(h[-1]).argmax()))
            new = torch.tensor(out[-1:])
        return out

    def case(self, name, ids, n):
        """All figures are of the whole sequence computed at once, which has no state to be wrong; it must choose as `greedy` did."""
        greedy = self.greedy(ids, n)
        lg = self.logits(ids + greedy)
        best = lg[len(ids) - 1:-1].topk(2)
        assert best.indices[:, 0].tolist() == greedy, name
        margins = [round(float(a - b), 5) for a, b in best.values]
        lp = lg[:len(ids)].log_softmax(-1)
        v, i = lp[-1].topk(8)
        print(name, len(ids), min(margins), repr(self.tok.decode(greedy, skip_special_tokens=False))[:120], flush=True)
        return dict(name=name, ids=ids, prompt_logprobs=[None] + [round(float(lp[t, ids[t + 1]]), 6) for t in range(len(ids) - 1)],
                    last_top=[[int(a), round(float(b), 6)] for a, b in zip(i, v)], greedy=greedy, greedy_margins=margins,
                    greedy_text=self.tok.decode(greedy, skip_special_tokens=False))

    def pass_key(self, n, depth, key):
        info, ask = self.encode(f' The pass key is {key}. Remember it. {key} is the pass key.\n'), self.encode('\nWhat is the pass key? The pass key is')
        noise, intro = self.encode(NOISE), self.encode(INTRO)
        room = n - 1 - len(intro) - len(info) - len(ask)
        fill, cut = (noise * (room // len(noise) + 1))[:room], int(depth * room)
        return [0] + intro + fill[:cut] + info + fill[cut:] + ask

    def cases(self):
        e, books = self.encode, self.books
        chat = lambda s: [0, 1] + e('user\n' + s) + [2] + e('\n') + [1] + e('assistant\n')
        return [self.case(*c) for c in (
            ('short', [0] + e('It was a dark and stormy night'), 48), ('one-token', [0], 32),
            ('title', [0] + e('# Title: The Moonlit Garden\n\n## Author: Jane Austen\n\n## Year: 1812\n\n-------\n\n'), 48),
            ('chat-style', chat('Write a short passage in the style of Jane Austen.'), 48), ('chat-who', chat('Who wrote Dracula?'), 24),
            ('chat-key', chat('Remember the pass key in this text.\n\nIt was raining. The pass key is 40917. Remember it. 40917 is the pass key. The rain stopped.\n\nWhat is the pass key?'), 24),
            ('passkey-1k', self.pass_key(1024, 0.3, '58213'), 6), ('window-edge-512', books[0][:512].tolist(), 24),
            ('window-edge-513', books[0][:513].tolist(), 24), ('book-1500', books[2][:1500].tolist(), 24))]

    def strings(self):
        rng, strings = random.Random(5), list(STRINGS)
        for book in self.books[:6]:
            for _ in range(8):
                o = rng.randrange(len(book) - 200)
                strings.append(self.tok.decode(book[o:o + rng.randrange(5, 120)].tolist()))
        return [dict(text=s, ids=self.encode(s)) for s in strings]

    def text(self, file):
        """Mean NLL by position and single log-probabilities, of <|endoftext|> and the text's first 131,072 tokens."""
        ids = torch.tensor([0] + self.encode(file.read_text())[:131072])
        lp = Stream(self.m).logprobs(ids)
        print(file.name, len(lp), round(-lp.mean().item(), 4), flush=True)
        return dict(tokens=len(lp), nll_by_position={f'{a}-{b}': round(-lp[a:b].double().mean().item(), 5) for a, b in zip(EDGES, EDGES[1:]) if b <= len(lp)},
                    sample={str(i): round(lp[i].item(), 5) for i in SAMPLES if i < len(lp)})


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('model', type=pathlib.Path)
    p.add_argument('data')
    p.add_argument('--texts', type=pathlib.Path, help='a folder of .txt')
    o = p.parse_args()
    g = Goldens(o.model, o.data)
    long = torch.tensor(g.books[1][:1100])
    worst = (Stream(g.m).logprobs(long) - g.logits(long.tolist())[:-1].log_softmax(-1).gather(-1, long[1:, None])[:, 0]).abs().max().item()
    print(f'stream against the whole at once: {worst:.1e}', flush=True)
    assert worst < 1e-3
    (o.model / 'golden.json').write_text(json.dumps(g.cases()))
    if not (o.model / 'tokenizer_golden.json').exists():  # it is the tokenizer's, not the weights'
        (o.model / 'tokenizer_golden.json').write_text(json.dumps(g.strings()))
    if o.texts:
        (o.texts / 'nll.json').write_text(json.dumps({f.name: g.text(f) for f in sorted(o.texts.glob('*.txt'))}, indent=1))


if __name__ == '__main__':
    main()
