"""Streams that take every sequence of a server on the CPU and leave, beside somebody who asks for one token.

    python loadtest/experiments/hostile/touched_pages.py [--streams 60]

Each stream has eight choices. What they have touched of the pools, recurrent slots and K/V blocks, is to go back to the
system, also while the bystander goes on.
"""

import json
import socket
import time

from scene import Scene, parser

BODY = json.dumps({"prompt": "Once upon a time " * 20, "n": 8, "max_tokens": 2000, "ignore_eos": True,
                   "stream": True}).encode()


def main():
    flags = parser(__doc__)
    flags.add_argument("--streams", type=int, default=60)
    flags.add_argument("--hold", type=float, default=20)
    options = flags.parse_args()
    request = (b"POST /v1/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
               % len(BODY) + BODY)
    with Scene(f"{options.streams} streams of 8 choices on the CPU", options, backend="cpu") as scene:
        with scene.phase("during"):
            links = []
            for _ in range(options.streams):
                links.append(socket.create_connection(("127.0.0.1", scene.http)))
                links[-1].sendall(request)
                links[-1].setblocking(False)
            until = time.monotonic() + options.hold
            while time.monotonic() < until:  # who reads nothing would be ended
                for link in links:
                    try:
                        link.recv(1 << 20)
                    except BlockingIOError:
                        pass
                time.sleep(0.2)
        for link in links:
            link.close()


if __name__ == "__main__":
    main()
