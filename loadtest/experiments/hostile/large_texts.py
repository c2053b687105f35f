"""Clients that tokenize texts of 8 MB over and over, beside somebody with prompts of 10 KB.

    python loadtest/experiments/hostile/large_texts.py --clients 8

The texts are letters without a blank, the worst for a tokenizer that works by words. Each client is a process of its own:
as threads of this one they would keep the bystander waiting.
"""

import http.client
import json
import random

from scene import Scene, crowd, parser

SECONDS = 20


def ask(port, body, over):
    """Until it is over; the last answer is taken, too."""
    while not over.is_set():
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
            connection.request("POST", "/tokenize", body, {"content-type": "application/json"})
            connection.getresponse().read()
            connection.close()
        except OSError:
            pass


def main():
    flags = parser(__doc__)
    flags.add_argument("--clients", type=int, default=8)
    options = flags.parse_args()
    generator = random.Random(1)
    letters = "".join(generator.choices("abcdefghijklmnopqrstuvwxyz", k=2_000_000))
    body = json.dumps({"prompt": letters * 4}).encode()
    prompt = {"prompt": "b " * 5000, "max_tokens": 1}
    with Scene(f"{options.clients} clients with texts of 8 MB", options, asks={"10 KB prompt": prompt}) as scene:
        crowd(scene, SECONDS, options.clients, ask, lambda _: (body,))


if __name__ == "__main__":
    main()
