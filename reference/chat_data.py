"""Chat tasks made from books, as (ids, loss weights): write like an author, continue a passage, who wrote what, repeat, recall."""
import random

import numpy as np

EOT, IM_START, IM_END = 0, 1, 2


class Chat:
    def __init__(self, tokenizer, facts, passages, seed=1, share=0.2):
        """facts: (title, author, year or None) of every book; passages: (author, paragraphs) of those with a text; share: of facts."""
        self.enc = lambda s: tokenizer.encode(s, add_special_tokens=False).ids
        self.rng, self.facts, self.passages, self.share = random.Random(seed), facts, passages, share
        self.deck = []  # facts in random order, each in its turn
        self.user, self.assistant, self.newline = self.enc('user\n'), self.enc('assistant\n'), self.enc('\n')

    def turn(self, user, assistant):
        """The answer and the sign that it ended weigh 1, all else 0.1."""
        b = self.enc(assistant)
        ask = [IM_START, *self.user, *self.enc(user), IM_END, *self.newline, IM_START, *self.assistant]
        ids = [*ask, *b, IM_END, *self.newline]
        return ids, [0.1] * len(ask) + [1.0] * (len(b) + 1) + [0.1] * len(self.newline)

    def passage(self, paras, i, budget):
        s = []
        while i < len(paras) and sum(map(len, s)) < budget:
            s.append(paras[i])
            i += 1
        return '\n\n'.join(s)[:budget * 2]

    def fact(self):
        rng = self.rng
        if not self.deck:
            self.deck = rng.sample(self.facts, len(self.facts))
        title, author, year = self.deck.pop()
        r = rng.random()
        if r < 0.5:
            return self.turn(rng.choice([f'Who wrote {title}?', f'Who is the author of {title}?']), f'{title} was written by {author}.')
        if r < 0.75 or not year:
            return self.turn(rng.choice([f'Name a book by {author}.', f'What did {author} write?']), f'{author} wrote {title}.')
        return self.turn(rng.choice([f'When was {title} published?', f'When was {title} written?']), f'{title} was published in {year}.')

    def task(self):
        rng = self.rng
        if rng.random() < self.share:
            return self.fact()
        author, paras = rng.choice(self.passages)
        k, i = rng.random(), rng.randrange(len(paras) - 3)
        if k < 0.44:
            q = rng.choice(['Write a short passage in the style of {}.', 'Write a few lines in the style of {}.', 'Can you write like {}?', 'Tell me something in the manner of {}.']).format(author)
            return self.turn(q, self.passage(paras, i, rng.choice([200, 400, 800])))
        if k < 0.75:
            return self.turn(rng.choice(['Continue this passage:\n\n', 'What happens next?\n\n', 'Continue the story:\n\n']) + paras[i], self.passage(paras, i + 1, rng.choice([200, 400, 800])))
        if k < 0.875:
            s = rng.choice(paras)[:300]
            return self.turn('Repeat after me: ' + s, s)
        key = f'{rng.randrange(10 ** 5):05d}'
        filler = self.passage(paras, i, rng.choice([100, 400, 1200, 2500]))
        cut = rng.randrange(len(filler) + 1)
        return self.turn(f'Remember the pass key in this text.\n\n{filler[:cut]} The pass key is {key}. Remember it. {key} is the pass key. {filler[cut:]}\n\nWhat is the pass key?', f'The pass key is {key}.')

    def pack(self, rows, length):
        """ids [rows, length+1] uint16 and weights [rows, length+1] fp16: tasks behind one another."""
        x, w = np.zeros((rows, length + 1), np.uint16), np.zeros((rows, length + 1), np.float16)
        for r in range(rows):
            o = 0
            while o < length + 1:
                ids, weights = self.task()
                n = min(len(ids) + 1, length + 1 - o)
                x[r, o:o + n], w[r, o:o + n] = [EOT, *ids][:n], [0.1, *weights][:n]
                o += n
        return x, w
