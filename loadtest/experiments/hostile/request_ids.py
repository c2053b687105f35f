"""Predicts request ids from those before them, as if they came from std::mt19937_64, and aborts what another key runs.

    build/venv/bin/python loadtest/experiments/hostile/request_ids.py
"""

import http.client
import threading
import time

from grpc_wire import channel
from scene import Scene, parser

WORDS, SHIFT, MASK, MATRIX = 312, 156, 2**64 - 1, 0xB5026F5AA96619E9


def undo(number, step):
    """The number that `step` made `number` of, where step(x) = x ^ f(x) and f moves bits."""
    found = number
    for _ in range(64):
        found = number ^ step(found) ^ found
    return found & MASK


def state_of(output):
    output = undo(output, lambda x: x ^ (x >> 43))
    output = undo(output, lambda x: x ^ ((x << 37) & 0xFFF7EEE000000000))
    output = undo(output, lambda x: x ^ ((x << 17) & 0x71D67FFFEDA60000))
    return undo(output, lambda x: x ^ ((x >> 29) & 0x5555555555555555))


def output_of(state):
    state ^= (state >> 29) & 0x5555555555555555
    state ^= (state << 17) & 0x71D67FFFEDA60000
    state ^= (state << 37) & 0xFFF7EEE000000000
    return (state ^ state >> 43) & MASK


def following(outputs, count):
    """What the generator gives next, after WORDS outputs."""
    state = [state_of(output) for output in outputs]
    for i in range(count):
        mixed = (state[i] & 0xFFFFFFFF80000000) | (state[i + 1] & 0x7FFFFFFF)
        state.append(state[i + SHIFT] ^ (mixed >> 1) ^ (MATRIX if mixed & 1 else 0))
    return [output_of(word) for word in state[WORDS:]]


def main():
    options = parser(__doc__).parse_args()
    with Scene("request ids predicted from 156 health checks", options, "--api-key", "mallory", "--fake-step-time", "50ms",
               key="alice") as scene:
        connection, ids = http.client.HTTPConnection("127.0.0.1", scene.http), []
        scene.bystander.stop()  # its ids would come between
        for thread in scene.bystander.threads:
            thread.join()
        for _ in range(WORDS // 2 + 1):
            connection.request("GET", "/health/live")
            response = connection.getresponse()
            response.read()
            ids.append(response.getheader("x-request-id"))
        for first, second in ((0, 1), (1, 0)):  # either order of the halves
            outputs = [int(id[16 * half:16 * half + 16], 16) for id in ids[:-1] for half in (first, second)]
            following_ids = iter(following(outputs, 4000))
            predicted = [f"{a:016x}{b:016x}" if first == 0 else f"{b:016x}{a:016x}" for a, b in zip(following_ids, following_ids)]
            print("the next id was", "predicted" if predicted[0] == ids[-1] else "not predicted")
        body = b'{"prompt": "a", "max_tokens": 100}'
        ended = []

        def alice():
            mine = http.client.HTTPConnection("127.0.0.1", scene.http)
            mine.request("POST", "/v1/completions", body, {"authorization": "Bearer alice", "x-request-id": "alices"})
            ended.append(mine.getresponse().status)
        thread = threading.Thread(target=alice)
        thread.start()
        time.sleep(1)
        with channel(scene) as wires:
            abort = wires.unary_unary("/batucada.v1.Inference/Abort")
            metadata = [("authorization", "Bearer mallory")]
            for id in ("alices", *predicted[:40]):
                aborted = abort(b"\x0a" + bytes([len(id)]) + id.encode(), metadata=metadata, timeout=10)
                assert aborted == b"", "another key's request was aborted"
        thread.join()
        print("alice's request, whose id mallory knew, ended with", ended)


if __name__ == "__main__":
    main()
