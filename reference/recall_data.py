"""Sequences that can only be answered from memory: keys stated somewhere in a text, asked for later.

A key is five digits under a name: "The pass key is 40917. Remember it. 40917 is the pass key." In a stream, statements and
questions follow each other with filler between; what is asked is at most `reach` tokens back (a question answers itself, so
it counts as a statement), and the newest statement of a name holds. Filler is text of books or the paper's noise sentences.
Loss weighs only the answers: digits 1, what stands around them less.
"""
import random

import numpy as np

NAMES = ['pass', 'red', 'blue', 'green', 'gold', 'silver', 'black', 'white']
NOISE = ' The grass is green. The sky is blue. The sun is yellow. Here we go. There and back again.'  # as it is when repeated
INTRO = 'There is an important info hidden inside a lot of irrelevant text. Find it and memorize it. I will quiz you about the important information there.\n'
EOT, IM_START, IM_END = 0, 1, 2
AROUND = 0.2  # weight of an answer's space and stop


class Recall:
    def __init__(self, tokenizer, corpus, seed):
        """corpus: token ids of books, one after another, uint16."""
        enc = lambda s: np.array(tokenizer.encode(s, add_special_tokens=False).ids, np.uint16)
        self.rng, self.corpus = random.Random(seed), corpus
        self.noise, self.intro = enc(NOISE), enc(INTRO)
        self.digits = np.array([enc(str(d))[0] for d in range(10)], np.uint16)
        self.space, self.stop = enc(' '), enc('.')
        self.before = {name: [enc(f'{gap}The {name} key is') for gap in (' ', '\n', '\n\n')] for name in NAMES}
        self.again = enc('. Remember it.')
        self.after = {name: [enc(f' is the {name} key.{gap}') for gap in ('\n', '', '\n\n')] for name in NAMES}
        self.ask = {name: [enc(f'{gap}What is the {name} key? The {name} key is') for gap in ('\n', ' ', '\n\n')] for name in NAMES}
        self.user = np.concatenate([[IM_START], enc('user\nRemember the pass key in this text.\n\n')]).astype(np.uint16)
        self.reply = {name: np.concatenate([enc(f'\n\nWhat is the {name} key?'), [IM_END], enc('\n'), [IM_START], enc(f'assistant\nThe {name} key is')]).astype(np.uint16) for name in NAMES}
        self.end = np.concatenate([enc('.'), [IM_END], enc('\n')]).astype(np.uint16)

    def key(self):
        return self.digits[[self.rng.randrange(10) for _ in range(5)]]

    def filler(self, kind, n):
        if kind == 'noise':
            phase = self.rng.randrange(len(self.noise))
            return np.resize(np.roll(self.noise, -phase), n)
        at = self.rng.randrange(len(self.corpus) - n)
        text = self.corpus[at:at + n]
        return np.where(text > IM_END, text, self.stop[0]).astype(np.uint16)

    def statement(self, name, key):
        return np.concatenate([self.rng.choice(self.before[name]), self.space, key, self.again, self.space, key, self.rng.choice(self.after[name])])

    def question(self, name, key, chat=False):
        """(ids, weights)"""
        ask = self.reply[name] if chat else self.rng.choice(self.ask[name])
        end = self.end if chat else self.stop
        ids = np.concatenate([ask, self.space, key, end])
        weights = np.zeros(len(ids), np.float32)
        at = len(ask)
        weights[at] = weights[at + 6] = AROUND
        weights[at + 1:at + 6] = 1
        return ids, weights

    def names(self, most):
        n = 1 if self.rng.random() < 0.3 else self.rng.randint(1, most)
        names = ['pass'] if n == 1 and self.rng.random() < 0.7 else self.rng.sample(NAMES, n)
        return names

    def kind(self):
        return 'noise' if self.rng.random() < 0.35 else 'book'

    def stream(self, length, reach, most=2):
        """(ids [length+1], weights [length+1], distance [length+1] from each answer's digit to what it repeats, 0 elsewhere)"""
        rng, kind = self.rng, self.kind()
        ids, weights, distance, total = [], [], [], 0

        def put(piece, weight=None, far=0):
            nonlocal total
            ids.append(piece)
            weights.append(np.zeros(len(piece), np.float32) if weight is None else weight)
            distance.append(np.where(weights[-1] == 1, far, 0).astype(np.int32))
            total += len(piece)

        put(np.array([EOT], np.uint16))
        if rng.random() < 0.5:
            put(self.intro)
        held = {}  # name -> (key, where it was last said)
        names = self.names(most)
        span = np.log(max(reach / 8, 9.0))
        while total < length + 1:
            put(self.filler(kind, int(np.exp(rng.uniform(np.log(8), span if rng.random() < 0.7 else np.log(reach))))))
            if rng.random() < 0.1:
                names = self.names(most)
            near = [name for name in held if total - held[name][1] <= reach]
            if near and rng.random() < 0.6:
                name = rng.choice(near)
                key, said = held[name]
                far = total - said
                put(*self.question(name, key), far)
            else:
                name, key = rng.choice(names), self.key()
                put(self.statement(name, key))
            held[name] = (key, total)
        return tuple(np.concatenate(parts)[:length + 1] for parts in (ids, weights, distance))

    def needle(self, length, names=None, depths=None, asked=None, kind=None, chat=False):
        """One text of length+1 tokens with a key under each of `names` hidden in it at `depths` (0 to 1, random if None) and
        the first `asked` of them (all if None) asked for at the end, in random order; in a chat, the first alone."""
        rng, names, kind = self.rng, names or self.names(4), kind or self.kind()
        keys = {name: self.key() for name in names}
        asks = rng.sample(names[:asked], len(names[:asked]))
        asks = [(names[0], self.question(names[0], keys[names[0]], True))] if chat else [(n, self.question(n, keys[n])) for n in asks]
        says = {name: self.statement(name, keys[name]) for name in names}
        head = np.concatenate([[EOT], self.user if chat else self.intro if rng.random() < 0.7 else []]).astype(np.uint16)
        room = length + 1 - len(head) - sum(map(len, says.values())) - sum(len(ids) for _, (ids, _) in asks)
        fill, last, ids, said, total = self.filler(kind, room), 0, [head], {}, len(head)
        for depth, name in sorted(zip(depths or [rng.random() for _ in names], names)):
            cut = int(room * depth)
            ids += [fill[last:cut], says[name]]
            total += cut - last + len(says[name])
            last, said[name] = cut, total
        ids.append(fill[last:])
        total += room - last
        weights, distance = [np.zeros(total, np.float32)], [np.zeros(total, np.int32)]
        for name, (i, w) in asks:
            ids.append(i)
            weights.append(w)
            distance.append(np.where(w == 1, total - said[name], 0).astype(np.int32))
            total += len(i)
        return tuple(np.concatenate(parts) for parts in (ids, weights, distance))
