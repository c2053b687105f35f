"""Runs of combining marks in descending order, which NFC has to sort, under a tokenizer that normalizes so.

    python loadtest/experiments/hostile/combining_marks.py [--marks 4000 20000 40000]
"""

import http.client
import json
import pathlib
import shutil
import tempfile
import time

import scene
from scene import Scene, parser


def model_with_nfc(folder):
    """The embedded model with NFC before its tokenizer."""
    shutil.copytree(scene.MODEL, folder, copy_function=shutil.copyfile)
    file = folder / "tokenizer.json"
    tokenizer = json.loads(file.read_text(encoding="utf-8"))
    tokenizer["normalizer"] = {"type": "NFC"}
    file.write_text(json.dumps(tokenizer), encoding="utf-8")
    return folder


def main():
    flags = parser(__doc__)
    flags.add_argument("--marks", type=int, nargs="+", default=[4000, 20000, 40000, 400000])
    options = flags.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        scene.MODEL = model_with_nfc(pathlib.Path(folder) / "nfc")
        with Scene(f"texts of {', '.join(map(str, options.marks))} combining marks under NFC", options) as stage:
            took = []
            with stage.phase("during"):
                for marks in options.marks:
                    text = "\u0301" * (marks // 2) + "\u0316" * (marks // 2)
                    start = time.monotonic()
                    connection = http.client.HTTPConnection("127.0.0.1", stage.http, timeout=120)
                    connection.request("POST", "/tokenize", json.dumps({"prompt": text}), {"content-type": "application/json"})
                    answer = connection.getresponse()
                    answer.read()
                    connection.close()
                    took.append(f"{marks:,}: {answer.status} after {time.monotonic() - start:.2f} s")
        print("; ".join(took) + "\n")


if __name__ == "__main__":
    main()
