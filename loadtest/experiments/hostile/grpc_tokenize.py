"""Clients that have texts of 8 MB tokenized over gRPC in a loop, beside gRPC's health and the usual bystander.

    build/venv/bin/python loadtest/experiments/hostile/grpc_tokenize.py [--clients 4] [--hold 20]
"""

import random
import threading
import time

from grpc_wire import channel, code_of
from scene import Scene, parser


def text_field(text):
    """TokenizeRequest{text}"""
    size, length = len(text), b""
    while size >= 128:
        length, size = length + bytes([size & 127 | 128]), size >> 7
    return b"\x12" + length + bytes([size]) + text


def main():
    flags = parser(__doc__)
    flags.add_argument("--clients", type=int, default=4)
    flags.add_argument("--hold", type=float, default=20)
    options = flags.parse_args()
    letters = random.Random(1).choices(b"abcdefghijklmnopqrstuvwxyz", k=2_000_000)
    wire, over, codes = text_field(bytes(letters) * 4), threading.Event(), []

    def attack(scene):
        with channel(scene) as wires:
            tokenize = wires.unary_stream("/batucada.v1.Inference/Tokenize")
            while not over.is_set():
                codes.append(code_of(tokenize(wire, timeout=120)))
    with Scene(f"{options.clients} clients that tokenize {len(wire):,} bytes in a loop", options) as scene:
        with scene.phase("during"):
            threads = [threading.Thread(target=attack, args=(scene,)) for _ in range(options.clients)]
            for thread in threads:
                thread.start()
            latencies, until = [], time.monotonic() + options.hold
            with channel(scene) as wires:
                check = wires.unary_unary("/grpc.health.v1.Health/Check")
                while time.monotonic() < until:
                    start = time.monotonic()
                    check(b"", timeout=60)
                    latencies.append(time.monotonic() - start)
                    time.sleep(0.1)
            over.set()
            for thread in threads:
                thread.join()
        latencies.sort()
        print(f"gRPC health: p50 {latencies[len(latencies) // 2] * 1e3:.0f} ms, max {latencies[-1] * 1e3:.0f} ms;",
              {code: codes.count(code) for code in set(codes)})


if __name__ == "__main__":
    main()
