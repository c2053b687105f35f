"""Chat over gRPC with millions of empty messages of two bytes each, by who has no key and by who has one.

    build/venv/bin/python loadtest/experiments/hostile/grpc_empty_messages.py [--mib 7.9] [--at-once 4]
"""

import concurrent.futures

from grpc_wire import channel, code_of
from scene import Scene, parser


def main():
    flags = parser(__doc__)
    flags.add_argument("--mib", type=float, default=7.9)
    flags.add_argument("--at-once", type=int, default=4)
    options = flags.parse_args()
    wire = b"\x12\x00" * int(options.mib * (1 << 19) - 8)

    def ask(scene, key):
        with channel(scene) as wires:
            metadata = [("authorization", f"Bearer {key}")]
            return code_of(wires.unary_stream("/batucada.v1.Inference/Chat")(wire, metadata=metadata, timeout=60))
    with Scene(f"{options.at_once} × Chat of {len(wire):,} bytes: empty messages", options, key="secret") as scene, \
            concurrent.futures.ThreadPoolExecutor(options.at_once) as pool:
        for key in ("none", "secret"):
            with scene.phase(f"key: {key}"):
                print(key, list(pool.map(lambda _: ask(scene, key), range(options.at_once))))


if __name__ == "__main__":
    main()
