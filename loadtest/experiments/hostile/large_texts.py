"""Clients that tokenize texts of 8 MB over and over, beside somebody with prompts of 10 KB.

    python loadtest/experiments/hostile/large_texts.py --clients 8

The texts are letters without a blank, the worst for a tokenizer that works by words.
"""

import http.client
import json
import random
import threading
import time

from scene import Scene, parser

SECONDS = 20


def main():
    flags = parser(__doc__)
    flags.add_argument("--clients", type=int, default=8)
    options = flags.parse_args()
    generator = random.Random(1)
    letters = "".join(generator.choices("abcdefghijklmnopqrstuvwxyz", k=2_000_000))
    body = json.dumps({"prompt": letters * 4}).encode()
    prompt = {"prompt": "b " * 5000, "max_tokens": 1}
    with Scene(f"{options.clients} clients with texts of 8 MB", options, asks={"10 KB prompt": prompt}) as scene:
        over = threading.Event()

        def loop():
            while not over.is_set():
                try:
                    connection = http.client.HTTPConnection("127.0.0.1", scene.http, timeout=120)
                    connection.request("POST", "/tokenize", body, {"content-type": "application/json"})
                    connection.getresponse().read()
                    connection.close()
                except OSError:
                    pass

        with scene.phase("during"):
            threads = [threading.Thread(target=loop, daemon=True) for _ in range(options.clients)]
            for thread in threads:
                thread.start()
            time.sleep(SECONDS)
        over.set()
        for thread in threads:
            thread.join()


if __name__ == "__main__":
    main()
