"""One request whose list of allowed ids, prompts and choices multiply.

    python loadtest/experiments/hostile/allowed_ids.py [--kib 1024 --prompts 64 --choices 16]
"""

import json
import socket
import time

from scene import Scene, parser


def main():
    flags = parser(__doc__)
    flags.add_argument("--kib", type=int, default=1024, help="of the list")
    flags.add_argument("--prompts", type=int, default=64)
    flags.add_argument("--choices", type=int, default=16)
    options = flags.parse_args()
    body = json.dumps({"prompt": ["a"] * options.prompts, "n": options.choices, "max_tokens": 100,
                       "allowed_token_ids": [1] * (options.kib * 1024 // 3)}).encode()
    title = f"{len(body)} bytes: {options.prompts} prompts, n {options.choices}, and a list of {options.kib} KiB"
    with Scene(title, options, "--fake-step-time", "200ms", "--max-sequences", "4") as scene:
        with scene.phase("during"):
            with socket.create_connection(("127.0.0.1", scene.http)) as link:
                link.sendall(b"POST /v1/completions HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
                time.sleep(5)


if __name__ == "__main__":
    main()
