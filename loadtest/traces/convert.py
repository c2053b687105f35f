"""Makes our trace files of the published ones: `python loadtest/traces/convert.py ORIGINAL OUTPUT.csv`.

A row is one request: milliseconds since the trace's start, prompt and answer in tokens, and for traces that tell which
prefixes are shared the ids of the prompt's blocks of 512 tokens, runs of consecutive ids written first-last. Equal ids
are equal tokens.
"""

import csv
import datetime
import json
import sys


def azure(lines):
    """Azure/AzurePublicDataset, AzureLLMInferenceTrace_*.csv"""
    start = None
    for row in csv.DictReader(lines):
        # Seven digits of a second; datetime knows six.
        when = datetime.datetime.fromisoformat(row["TIMESTAMP"][:26])
        start = start or when
        yield (when - start).total_seconds() * 1e3, int(row["ContextTokens"]), int(row["GeneratedTokens"]), []


def mooncake(lines):
    """kvcache-ai/Mooncake, *_trace.jsonl"""
    for line in lines:
        row = json.loads(line)
        yield row["timestamp"], row["input_length"], row["output_length"], row["hash_ids"]


def runs(ids):
    out = []
    for i in ids:
        if out and out[-1][1] == i - 1:
            out[-1][1] = i
        else:
            out.append([i, i])
    return " ".join(f"{first}" if first == last else f"{first}-{last}" for first, last in out)


def main(original, output):
    read = mooncake if original.endswith(".jsonl") else azure
    with open(original, encoding="utf-8") as source, open(output, "w", encoding="utf-8") as target:
        rows = sorted(read(source), key=lambda row: row[0])
        blocks = any(row[3] for row in rows)
        target.write("arrival_ms,input_tokens,output_tokens" + (",blocks" if blocks else "") + "\n")
        for arrival_ms, input_tokens, output_tokens, ids in rows:
            target.write(f"{arrival_ms:.0f},{input_tokens},{output_tokens}" + (f",{runs(ids)}" if blocks else "") + "\n")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2])
