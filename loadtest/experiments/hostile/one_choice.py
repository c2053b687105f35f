"""Hundreds of connections without a key that each ask for one choice without end, beside somebody who asks for one token.

    python loadtest/experiments/hostile/one_choice.py [--connections 400]

Sixteen sequences at once, of 20 ms a step. No rule tells such requests from those of many users, but that they come from
one address: it leaves a part of the sequences to others.
"""

import json
import socket
import time

from scene import Scene, parser

BODY = json.dumps({"prompt": "x", "max_tokens": 100_000, "ignore_eos": True, "stream": True}).encode()


def main():
    flags = parser(__doc__)
    flags.add_argument("--connections", type=int, default=400)
    flags.add_argument("--hold", type=float, default=10)
    options = flags.parse_args()
    request = (b"POST /v1/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
               % len(BODY) + BODY)
    title = f"{options.connections} requests of one choice without end, 16 sequences"
    with Scene(title, options, "--fake-step-time", "20ms", "--max-sequences", "16") as scene:
        with scene.phase("during"):
            links = []
            for _ in range(options.connections):
                links.append(socket.create_connection(("127.0.0.1", scene.http)))
                links[-1].sendall(request)
            until = time.monotonic() + options.hold
            while time.monotonic() < until:  # who reads nothing would be ended
                for link in links:
                    link.setblocking(False)
                    try:
                        link.recv(1 << 20)
                    except BlockingIOError:
                        pass
                time.sleep(0.2)
        for link in links:
            link.close()


if __name__ == "__main__":
    main()
