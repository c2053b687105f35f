"""Requests of a few hundred bytes that ask for a thousand choices each, beside somebody who asks for one token.

    python loadtest/experiments/hostile/many_choices.py

Two connections ask for 64 prompts x 16 choices: first of a million tokens each, which is refused, then of as many as one
request may ask for, so that they take what a request may have of the sequences and the queue, for as long as they can.
"""

import json
import socket
import time

from scene import Scene, parser

REQUESTS = 2
SECONDS = 20
MOST_TOKENS = 1 << 20  # --max-generated-tokens


def ask(port, tokens):
    body = json.dumps({"prompt": ["a"] * 64, "n": 16, "max_tokens": tokens, "ignore_eos": True}).encode()
    connection = socket.create_connection(("127.0.0.1", port))
    connection.sendall(b"POST /v1/completions HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
    return connection


def main():
    options = parser(__doc__).parse_args()
    with Scene("1,024 choices a request", options, "--fake-step-time", "10ms") as scene:
        with scene.phase("a million tokens each"):
            connection = ask(scene.http, 1_000_000)
            print(connection.recv(1 << 16).decode().split("\r\n")[0], "for 1,024 choices of a million tokens")
            connection.close()
            time.sleep(options.seconds)
        with scene.phase("as many as may be"):
            connections = [ask(scene.http, MOST_TOKENS // 1024) for _ in range(REQUESTS)]
            time.sleep(SECONDS)
        for connection in connections:
            connection.close()


if __name__ == "__main__":
    main()
