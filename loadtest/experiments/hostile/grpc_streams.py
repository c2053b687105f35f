"""A hundred calls on one connection that each send all of a large message but its end, without a key and with one.

    build/venv/bin/python loadtest/experiments/hostile/grpc_streams.py [--streams 100] [--hold 25]
"""

import time

from grpc_wire import H2, message
from scene import Scene, parser

SIZE = 8 << 20


def send_all_but_the_end(client, streams, patience_s=30):
    """Sends as far as the windows allow; how many bytes that was."""
    left = {stream: SIZE - 16 for stream in streams}
    sent, deadline = 0, time.monotonic() + patience_s
    windows = {stream: 256 << 10 for stream in streams}
    shared = 65_535 + client.credit.get(0, 0)  # the connection's window
    while left and time.monotonic() < deadline:
        moved = 0
        for stream in list(left):
            if client.status(stream) or stream in client.resets:
                left.pop(stream)
                continue
            size = min(16384, left[stream], windows[stream], shared)
            if size <= 0:
                continue
            if not client.data_frame(stream, bytes(size)):
                return sent
            left[stream] -= size
            windows[stream] -= size
            shared -= size
            moved += size
            if left[stream] == 0:
                left.pop(stream)
        sent += moved
        before = dict(client.credit)
        client.receive(lambda c: False, patience_s=0.001 if moved else 0.05)
        for stream, credit in client.credit.items():
            if stream in windows:
                windows[stream] += credit - before.get(stream, 0)
        shared += client.credit.get(0, 0) - before.get(0, 0)
    return sent


def main():
    flags = parser(__doc__)
    flags.add_argument("--streams", type=int, default=100)
    flags.add_argument("--hold", type=float, default=25)
    options = flags.parse_args()
    with Scene(f"{options.streams} streams that hold {SIZE:,} bytes each", options, key="secret") as scene:
        for key in ("none", "secret"):
            with scene.phase(f"key: {key}"), H2(scene.grpc) as client:
                client.receive(lambda c: 0 in c.credit, patience_s=10)
                streams = [client.open("/batucada.v1.Inference/Generate", ("authorization", f"Bearer {key}"))
                           for _ in range(options.streams)]
                for stream in streams:
                    client.data_frame(stream, message(SIZE))
                sent = send_all_but_the_end(client, streams)
                print(f"{key}: {sent / 2**20:.0f} MiB sent, {scene.resident_bytes() / 2**20:.0f} MiB resident")
                client.receive(lambda c: all(c.status(stream) for stream in streams) or c.closed, patience_s=options.hold)
                print(f"{key}: statuses {sorted({str(client.status(stream)) for stream in streams})}")


if __name__ == "__main__":
    main()
