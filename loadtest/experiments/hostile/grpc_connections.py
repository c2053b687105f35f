"""Thousands of connections to the gRPC port that say nothing, beside a server of few descriptors.

    build/venv/bin/python loadtest/experiments/hostile/grpc_connections.py [--connections 5000] [--descriptors 4096]
"""

import resource
import socket
import time

from grpc_wire import channel
from scene import Scene, parser


def main():
    flags = parser(__doc__)
    flags.add_argument("--connections", type=int, default=5000)
    flags.add_argument("--descriptors", type=int, default=4096, help="that the server may have")
    flags.add_argument("--hold", type=float, default=15)
    options = flags.parse_args()
    mine = options.connections + 1000
    hard = max(mine, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    resource.setrlimit(resource.RLIMIT_NOFILE, (options.descriptors, options.descriptors if hard == mine else hard))
    with Scene(f"{options.connections} silent connections to the gRPC port, {options.descriptors} descriptors", options) as scene:
        resource.setrlimit(resource.RLIMIT_NOFILE, (mine, hard))
        with scene.phase("connecting"):
            held = [socket.create_connection(("127.0.0.1", scene.grpc), 10) for _ in range(options.connections)]
        print("descriptors of the server:", scene.descriptors())
        with scene.phase("held"):
            latencies = []
            with channel(scene) as wires:
                check = wires.unary_unary("/grpc.health.v1.Health/Check")
                until = time.monotonic() + options.hold
                while time.monotonic() < until:
                    start = time.monotonic()
                    check(b"", timeout=30)
                    latencies.append(time.monotonic() - start)
                    time.sleep(0.1)
            print(f"gRPC health: {len(latencies)} answers, at most {max(latencies) * 1e3:.0f} ms;",
                  "descriptors", scene.descriptors())
        for connection in held:
            connection.close()


if __name__ == "__main__":
    main()
