"""Connections that send all of an 8 MiB body but its last byte, and wait.

    python loadtest/experiments/hostile/endless_bodies.py [--connections 200] [--key]
"""

import socket
import time

from scene import Scene, parser

SIZE = 8 << 20


def main():
    flags = parser(__doc__)
    flags.add_argument("--connections", type=int, default=200)
    flags.add_argument("--request-memory", default="512MiB")
    flags.add_argument("--key", action="store_true", help="the server wants a key, and the attacker has none")
    options = flags.parse_args()
    head = b"POST /v1/completions HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % SIZE
    body = b'{"prompt":"' + b"a" * (SIZE - 12)
    title = (f"{options.connections} bodies of 8 MiB that never end, --request-memory {options.request_memory}"
             + (", without the key" if options.key else ""))
    with Scene(title, options, "--request-memory", options.request_memory, key="secret" if options.key else None) as scene:
        with scene.phase("during"):
            links, refused = [], 0
            for _ in range(options.connections):
                link = socket.create_connection(("127.0.0.1", scene.http))
                link.settimeout(5)
                try:
                    link.sendall(head + body)
                except OSError:
                    refused += 1
                links.append(link)
            time.sleep(3)
        with scene.phase(f"{refused} were refused"):
            for link in links:
                link.close()
            time.sleep(1)


if __name__ == "__main__":
    main()
