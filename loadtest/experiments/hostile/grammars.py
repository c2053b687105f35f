"""Clients that have grammars compiled over and over, each another one, beside somebody with a grammar of three choices.

    python loadtest/experiments/hostile/grammars.py --clients 8

In turns: schemas of a hundred members with patterns, a regular expression with counts of counts, a grammar of forty rules
that call each other, and an enum of a thousand names. Each client is a process of its own.
"""

import http.client
import json
import multiprocessing
import random

from scene import Scene, crowd, parser

SECONDS = 20


def word(draw, least=3, most=12):
    return "".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=draw.randint(least, most)))


def schema(draw):
    properties = {word(draw): {"type": "string", "pattern": f"^{word(draw)}[a-z]{{2,{draw.randint(9, 60)}}}(x|{word(draw)})$"}
                  for _ in range(100)}
    return {"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {
        "type": "object", "properties": properties, "additionalProperties": False}}}}


def regex(draw):
    return {"structured_outputs": {"regex": f"(({word(draw)}|[a-z]{{1,{draw.randint(20, 60)}}}){{1,40}}{word(draw)}){{1,20}}"}}


def rules(draw):
    names = [f"r{index}" for index in range(40)]
    lines = [f'{name} ::= "{word(draw)}" | {draw.choice(names)} "{word(draw)}" {draw.choice(names)}' for name in names]
    return {"structured_outputs": {"grammar": "\n".join(["root ::= r0 r1", *lines])}}


def names(draw):
    return {"structured_outputs": {"choice": [word(draw, 8, 30) for _ in range(1000)]}}


def ask(port, seed, asked, over):
    draw, kinds = random.Random(seed), [schema, regex, rules, names]
    while not over.is_set():
        body = {"prompt": "a", "max_tokens": 8, **kinds[draw.randrange(len(kinds))](draw)}
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
            connection.request("POST", "/v1/completions", json.dumps(body), {"content-type": "application/json"})
            status = connection.getresponse().status
            connection.close()
        except OSError:
            status = 0
        with asked.get_lock():
            asked[0 if status == 200 else 1] += 1


def main():
    flags = parser(__doc__)
    flags.add_argument("--clients", type=int, default=8)
    options = flags.parse_args()
    small = {"prompt": "a", "max_tokens": 1, "structured_outputs": {"choice": ["yes", "no", "perhaps"]}}
    asked = multiprocessing.Array("i", 2)
    with Scene(f"{options.clients} clients with grammars", options, asks={"three choices": small}) as scene:
        crowd(scene, SECONDS, options.clients, ask, lambda seed: (seed, asked))
    print(f"{asked[0]} were served, {asked[1]} refused")


if __name__ == "__main__":
    main()
