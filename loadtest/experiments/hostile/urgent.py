"""Anonymous clients that call themselves most urgent, beside somebody who asks for one token.

    python loadtest/experiments/hostile/urgent.py

Eight sequences at once, of 20 ms a step; four clients ask for eight choices of 100 tokens with priority -1000, over and
over. Without a key that says so nobody is urgent, and of each request's choices only some run at a time.
"""

import http.client
import json
import threading
import time

from scene import Scene, parser

CLIENTS = 4
SECONDS = 20
BODY = json.dumps({"prompt": "x", "max_tokens": 100, "priority": -1000, "n": 8, "ignore_eos": True})


def main():
    options = parser(__doc__).parse_args()
    with Scene("priority -1000 without a right", options, "--fake-step-time", "20ms", "--max-sequences", "8") as scene:
        over = threading.Event()

        def loop():
            while not over.is_set():
                connection = http.client.HTTPConnection("127.0.0.1", scene.http, timeout=120)
                connection.request("POST", "/v1/completions", BODY, {"content-type": "application/json"})
                connection.getresponse().read()
                connection.close()

        with scene.phase("during"):
            threads = [threading.Thread(target=loop, daemon=True) for _ in range(CLIENTS)]
            for thread in threads:
                thread.start()
            time.sleep(SECONDS)
        over.set()
        for thread in threads:
            thread.join()


if __name__ == "__main__":
    main()
