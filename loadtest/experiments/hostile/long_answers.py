"""Answers that are a thousand times as long as what asks for them, on every wire, and what connections hold beside them.

    build/venv/bin/python loadtest/experiments/hostile/long_answers.py [SCENE…]

Attackers are processes of their own: as threads of this one they would keep the bystander waiting.
"""

import http.client
import json
import multiprocessing
import socket
import time
import types

from grpc_wire import channel, code_of
from scene import MODEL, Scene, parser

TOKENS = 200_000
FLAGS = ("--fake-step-time", "0ms", "--request-memory", "512MiB", "--stream-buffer-tokens", "1000000")


def read_all(port, path, body):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
    connection.request("POST", path, json.dumps(body), {"content-type": "application/json"})
    answer, length = connection.getresponse(), 0
    while piece := answer.read(1 << 20):
        length += len(piece)
    print(f"  {path}: {answer.status}, {length / 2**20:.0f} MiB")


def wholes(options):
    """The dialects' whole answers, one after the other."""
    asked = [
        ("/completion", {"prompt": "a", "n_predict": TOKENS, "n_probs": 20, "ignore_eos": True}),
        ("/api/generate", {"model": MODEL.name, "prompt": "a", "stream": False, "logprobs": True, "top_logprobs": 20,
                           "options": {"num_predict": TOKENS}}),
        ("/v1/responses", {"input": "a", "max_output_tokens": TOKENS, "top_logprobs": 20,
                           "include": ["message.output_text.logprobs"]}),
        ("/generate", {"inputs": "a b " * 500_000, "parameters": {"max_new_tokens": 1, "details": True, "top_n_tokens": 5,
                                                                 "decoder_input_details": True}}),
    ]
    with Scene("whole answers with log-probabilities", options, *FLAGS) as scene:
        for path, body in asked:
            with scene.phase(path):
                reader = multiprocessing.Process(target=read_all, args=(scene.http, path, body))
                reader.start()
                reader.join()


def varint(number):
    return bytes([number & 127 | 128]) + varint(number >> 7) if number >= 128 else bytes([number])


def scored(ids, method, port):
    """GenerateRequest{token_ids, max_tokens, output{prompt_logprobs}}"""
    listed = b"\x0a" + varint(ids) + b"\x05" * ids
    wire = b"\x1a" + varint(len(listed)) + listed + b"\x20\x01" + b"\x42\x02\x10\x14"
    with channel(types.SimpleNamespace(grpc=port)) as wires:
        print(f"  {method}: {code_of(wires.unary_stream(f'/batucada.v1.Inference/{method}')(wire, timeout=300))}")


def grpc_scores(options):
    """A prompt of 500,000 tokens scored over gRPC."""
    with Scene("prompts scored over gRPC, 500,000 tokens", options, "--request-memory", "2GiB") as scene:
        for method in ("Complete", "Generate"):
            with scene.phase(method):
                reader = multiprocessing.Process(target=scored, args=(500_000, method, scene.grpc))
                reader.start()
                reader.join()


def leave(port):
    """60 requests of 16 choices, whose clients are gone after some seconds."""
    links = []
    for number in range(60):
        body = json.dumps({"prompt": "a", "n": 16, "max_tokens": 3000, "logprobs": 20, "ignore_eos": True,
                           "stream": number % 2 == 0}).encode()
        links.append(socket.create_connection(("127.0.0.1", port)))
        links[-1].sendall(b"POST /v1/completions HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
    time.sleep(8)


def leaving(options):
    with Scene("60 × 16 choices with log-probabilities, nobody reads", options, "--fake-step-time", "0ms") as scene:
        with scene.phase("while they are generated, and everybody leaves"):
            crowd = multiprocessing.Process(target=leave, args=(scene.http,))
            crowd.start()
            crowd.join()
            time.sleep(2)


def hold(port, head, count, over):
    links = []
    for _ in range(count):
        link = socket.create_connection(("127.0.0.1", port))
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        try:
            link.sendall(head)
        except OSError:
            pass
        links.append(link)
    over.wait()


def connections(options):
    heads = {"heads of 15 KB that never end": b"GET / HTTP/1.1\r\nhost: x\r\nx: " + b"a" * 15_000,
             "the API's page, which nobody reads": b"GET /openapi.json HTTP/1.1\r\nhost: x\r\n\r\n"}
    with Scene("2,000 connections that hold what they can", options, "--request-memory", "64MiB") as scene:
        for name, head in heads.items():
            with scene.phase(name):
                over = multiprocessing.Event()
                crowd = multiprocessing.Process(target=hold, args=(scene.http, head, 2000, over))
                crowd.start()
                time.sleep(8)
                over.set()
                crowd.join()


SCENES = {"wholes": wholes, "grpc_scores": grpc_scores, "leaving": leaving, "connections": connections}


def main():
    flags = parser(__doc__)
    flags.add_argument("scenes", nargs="*", metavar="SCENE", help=f"of {', '.join(SCENES)}; default: all")
    options = flags.parse_args()
    for name in options.scenes or SCENES:
        SCENES[name](options)


if __name__ == "__main__":
    main()
