"""More idle connections than may be open, HTTP's and gRPC's: health is answered within 100 ms all the same.

    python loadtest/experiments/hostile/idle_connections.py [--http 10100] [--grpc 5000] [--descriptors 20000]

With --descriptors below the number of connections the server runs out of them. Exits 1 if a probe, each on a connection of
its own, is refused or takes longer than 100 ms, on the clients' port or on --health-port.
"""

import http.client
import resource
import socket
import sys
import time

from scene import Scene, parser

BOUND_S = 0.1


def probe(port, path):
    """Seconds, or why there was no answer."""
    start = time.monotonic()
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        connection.request("GET", path)
        status = connection.getresponse().status
        connection.close()
    except OSError as error:
        return repr(error)
    return time.monotonic() - start if status == 200 else f"status {status}"


def hold(port, count):
    crowd = []
    for _ in range(count):
        try:
            crowd.append(socket.create_connection(("127.0.0.1", port), 2))
        except OSError:  # not accepted: as good as held
            break
    return crowd


def main():
    flags = parser(__doc__)
    flags.add_argument("--http", type=int, default=10_100)
    flags.add_argument("--grpc", type=int, default=5_000)
    flags.add_argument("--descriptors", type=int, default=20_000, help="that the server may have")
    flags.add_argument("--probes", type=int, default=50)
    options = flags.parse_args()
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    late = []
    title = f"{options.http:,} idle HTTP and {options.grpc:,} silent gRPC connections, {options.descriptors:,} descriptors"
    with Scene(title, options, "--health-port", "0", descriptors=min(options.descriptors, most)) as scene:
        with scene.phase("held"):
            crowd = hold(scene.grpc, options.grpc) + hold(scene.http, options.http)
            for _ in range(options.probes):
                for port in (scene.http, scene.ports["health"]):
                    for path in ("/health/live", "/health/ready"):
                        took = probe(port, path)
                        if not isinstance(took, float) or took > BOUND_S:
                            late.append((port, path, took))
            print(f"{len(crowd):,} connections held, {scene.descriptors():,} descriptors\n")
        for connection in crowd:
            connection.close()
    if late:
        sys.exit(f"{len(late)} of {4 * options.probes} probes late or refused, for example {late[0]}")
    print(f"all of {4 * options.probes} probes within {BOUND_S * 1e3:.0f} ms")


if __name__ == "__main__":
    main()
