"""A long prompt, its log-probabilities with 20 alternatives, and n: a client that hardly reads, then one that does.

    python loadtest/experiments/hostile/scored_prompts.py [--tokens 60000 --choices 16]
"""

import json
import socket
import time

from scene import Scene, parser


def main():
    flags = parser(__doc__)
    flags.add_argument("--tokens", type=int, default=60_000)
    flags.add_argument("--choices", type=int, default=16)
    options = flags.parse_args()
    body = json.dumps({"prompt": [5] * options.tokens, "n": options.choices, "max_tokens": 1,
                       "prompt_logprobs": 20}).encode()
    request = b"POST /v1/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(body) + body
    with Scene(f"{options.tokens} tokens scored, n {options.choices}", options, "--fake-step-time", "0ms") as scene:
        with scene.phase("one that reads nothing"):
            with socket.create_connection(("127.0.0.1", scene.http)) as link:
                link.sendall(request)
                link.recv(1)
                time.sleep(5)
        with socket.create_connection(("127.0.0.1", scene.http)) as link:
            with scene.phase("one that reads all"):
                link.sendall(request)
                size = 0
                while piece := link.recv(1 << 20):
                    size += len(piece)
    print(f"{len(body)} bytes asked for {size} bytes")


if __name__ == "__main__":
    main()
