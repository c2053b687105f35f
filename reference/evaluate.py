"""What a served model knows, through its HTTP API, into eval.json: NLL of held-out books by position, and chat tasks.

    python reference/evaluate.py http://127.0.0.1:8000 DATA OUT [--tokens 131073] [--recall recall.json]

DATA: prepare.py's val*.npy and facts.json. Books go as token ids with echo and logprobs, each on its own and, to a million
tokens, one behind another. --recall: what loadtest/experiments/recall.py measured, taken over.
"""
import argparse
import glob
import json
import pathlib
import random
import urllib.request

import numpy as np

EDGES = [0, 128, *(512 << k for k in range(12))]
LONG = 1 << 20


def post(url, path, **body):
    request = urllib.request.Request(url.rstrip('/') + path, json.dumps(body).encode(), {'Content-Type': 'application/json'})
    with urllib.request.urlopen(request, timeout=3600) as response:
        return json.load(response)


def score(url, ids):
    """Negative log-likelihoods of ids[1:]."""
    answer = post(url, '/v1/completions', prompt=[int(i) for i in ids], echo=True, logprobs=0, max_tokens=0)
    return -np.array(answer['choices'][0]['logprobs']['token_logprobs'][1:], np.float64)


def by_position(rows):
    """{'a-b': [mean, how many]} over all that reach b; the first token of a text has no likelihood."""
    table = {}
    for a, b in zip(EDGES, EDGES[1:]):
        means = [row[a:b].mean() for row in rows if len(row) >= b - 1]
        if means:
            table[f'{a}-{b}'] = [round(float(np.mean(means)), 4), len(means)]
    return table


def ask(url, text):
    answer = post(url, '/v1/chat/completions', messages=[{'role': 'user', 'content': text}], temperature=0, max_tokens=160)
    return answer['choices'][0]['message']['content'].strip()


def chat(url, facts, books):
    """{task: [right, asked]}"""
    rng, known = random.Random(3), [f for f in facts if f[0] and f[1]]
    wrote = [ask(url, f'Who wrote {title}?') == f'{title} was written by {author}.' for title, author, _ in known]
    keys, repeats = [], []
    for _ in range(100):
        words = rng.choice(books).split(' ')
        at, n, key = rng.randrange(len(words) - 320), rng.choice([20, 80, 300]), f'{rng.randrange(10**5):05d}'
        cut = at + rng.randrange(n)
        text = f"{' '.join(words[at:cut])} The pass key is {key}. Remember it. {key} is the pass key. {' '.join(words[cut:at + n])}"
        keys.append(ask(url, f'Remember the pass key in this text.\n\n{text}\n\nWhat is the pass key?') == f'The pass key is {key}.')
        said = ' '.join(words[at:at + 30]).strip()
        repeats.append(ask(url, f'Repeat after me: {said}') == said)
    return {name: [sum(rows), len(rows)] for name, rows in (('who_wrote', wrote), ('pass_key', keys), ('repeat', repeats))}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('url')
    p.add_argument('data', type=pathlib.Path)
    p.add_argument('out', type=pathlib.Path)
    p.add_argument('--tokens', type=int, default=131073, help='of each book at most')
    p.add_argument('--long', type=int, default=LONG, help='tokens of the books one behind another, over and over')
    p.add_argument('--texts', type=pathlib.Path, default=pathlib.Path(__file__).resolve().parents[1] / 'tests/golden/texts')
    p.add_argument('--recall', type=pathlib.Path)
    o = p.parse_args()
    books = [np.load(f) for f in sorted(glob.glob(f'{o.data}/val*.npy'))]
    rows = [score(o.url, book[:o.tokens]) for book in books]
    result = {'val_nll_by_position': by_position(rows), 'val_nll_by_position_long_docs': by_position([row[:65536] for row in rows if len(row) >= 65536])}
    print(json.dumps(result), flush=True)
    turn = np.concatenate(books)
    row = score(o.url, np.resize(turn, o.long))
    result['val_nll_one_book_after_another'] = by_position([row])
    # The same text ever further from the beginning: what differs is the distance alone.
    result['val_nll_by_turn'] = [round(float(part.mean()), 4) for part in np.split(row, range(len(turn), len(row), len(turn)))
                                 if len(part) == len(turn)]
    result['chat'] = chat(o.url, json.loads((o.data / 'facts.json').read_text()), [f.read_text() for f in sorted(o.texts.glob('*.txt'))])
    print(json.dumps(result), flush=True)
    if o.recall:
        result['recall'] = json.loads(o.recall.read_text())
    o.out.write_text(json.dumps(result, indent=1) + '\n')


if __name__ == '__main__':
    main()
