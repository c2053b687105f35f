"""Clients that ask /detokenize for as long a text as a body can say, and read it byte by byte.

    python loadtest/experiments/hostile/long_texts.py [--connections 20]
"""

import json
import socket
import threading
import time
import urllib.request

from scene import Scene, parser


def drip(port, request, over):
    with socket.socket() as link:
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        link.connect(("127.0.0.1", port))
        try:
            link.sendall(request)
            while link.recv(1) and not over.wait(0.2):
                pass
        except OSError:
            pass


def held(port):
    """Bytes that the server holds for requests."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as page:
        return sum(float(line.split()[-1]) for line in page if line.startswith(b"batucada_request_memory_bytes{"))


def main():
    flags = parser(__doc__)
    flags.add_argument("--connections", type=int, default=20)
    options = flags.parse_args()
    body = json.dumps({"tokens": [321] * 1_500_000}).encode()
    request = b"POST /detokenize HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(body) + body
    title = f"{options.connections} slow readers of a text that {len(body)} bytes ask for"
    with Scene(title, options, "--write-timeout", "10s") as scene:
        over = threading.Event()
        threads = [threading.Thread(target=drip, args=(scene.http, request, over)) for _ in range(options.connections)]
        with scene.phase("while they are served"):
            for thread in threads:
                thread.start()
            time.sleep(8)
        with scene.phase("until --write-timeout ends them"):
            deadline = time.monotonic() + 60
            while held(scene.http) > 0 and time.monotonic() < deadline:
                time.sleep(0.5)
        over.set()


if __name__ == "__main__":
    main()
