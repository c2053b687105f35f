"""The paper's headline experiment (arXiv 2406.07522, figure 4 and section 3.2) from batucada-bench's JSON files.

    python bench/headline.py OUT_DIR FILE.json...

Reads prefill/MODEL/LENGTH and decode/MODEL/b16/cCONTEXT of samba-1.7b, llama-1.6b, mistral-1.6b and mamba-1.8b. Writes
OUT_DIR/headline.svg (prompt tokens/s against prompt length; generated tokens/s against generated length) and prints the
table and the two ratios in Markdown. Needs matplotlib.

Generating n tokens at batch B takes the sum of the steps from context 0 to n; between measured contexts the step time is
taken as linear, which it is: constant, or growing with the context.
"""

import json
import re
import sys

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt  # noqa: E402  (after the backend is chosen)

MODELS = {
    "samba-1.7b": "Samba 1.7B",
    "llama-1.6b": "full attention 1.6B (Llama-3 style)",
    "mistral-1.6b": "window 2,048 1.6B (Mistral style)",
    "mamba-1.8b": "Mamba 1.8B",
}
BATCH = 16


def read(paths):
    prefill, steps = {}, {}
    for path in paths:
        with open(path) as file:
            for figure in json.load(file):
                if match := re.fullmatch(r"prefill/(.+)/(\d+)", figure["name"]):
                    prefill.setdefault(match[1], {})[int(match[2])] = figure["value"]
                if match := re.fullmatch(rf"decode/(.+)/b{BATCH}/c(\d+)", figure["name"]):
                    steps.setdefault(match[1], {})[int(match[2])] = figure["value"] / 1e3
    return prefill, steps


def generation_rates(steps):
    """{generated length: tokens/s} from {context: seconds per step}."""
    contexts = sorted(steps)
    # From an empty context to the first measured one the step costs at most what it costs there.
    elapsed, rates = contexts[0] * steps[contexts[0]], {}
    for before, here in zip([None] + contexts, contexts):
        if before is not None:
            elapsed += (here - before) * (steps[before] + steps[here]) / 2
        rates[here] = BATCH * here / elapsed
    return rates


def table(title, values, lengths):
    print(f"\n{title}\n\n| model | " + " | ".join(f"{n // 1024}K" for n in lengths) + " |")
    print("|---" * (len(lengths) + 1) + "|")
    for model, name in MODELS.items():
        if model in values:
            print(f"| {name} | " + " | ".join(f"{values[model].get(n, float('nan')):,.0f}" for n in lengths) + " |")


def plot(axes, title, xlabel, values, lengths):
    for model, name in MODELS.items():
        if model in values:
            axes.plot(lengths, [values[model].get(n) for n in lengths], marker="o", label=name)
    axes.set(title=title, xlabel=xlabel, ylabel="tokens/s", xscale="log", ylim=(0, None))
    axes.set_xticks(lengths, [f"{n // 1024}K" for n in lengths])
    axes.minorticks_off()
    axes.grid(alpha=0.3)


def main():
    out, paths = sys.argv[1], sys.argv[2:]
    prefill, steps = read(paths)
    generated = {model: generation_rates(of) for model, of in steps.items()}
    lengths = [n for n in (1024 << i for i in range(8)) if all(n in of for of in prefill.values())]
    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 4.2))
    plot(left, "Prompt processing, 128K tokens per measurement", "prompt length, tokens", prefill, lengths)
    plot(right, f"Generation, batch {BATCH}", "generated length, tokens", generated, lengths)
    right.legend(loc="lower left")
    figure.tight_layout()
    figure.savefig(f"{out}/headline.svg")
    table("Prompt tokens/s by prompt length", prefill, lengths)
    table(f"Generated tokens/s by generated length, batch {BATCH}", generated, lengths)
    samba, llama = "samba-1.7b", "llama-1.6b"
    if samba in prefill and llama in prefill:
        print(f"\nprompts of 128K: {prefill[samba][131072] / prefill[llama][131072]:.2f} times the full-attention model")
        print(f"64K generated: {generated[samba][65536] / generated[llama][65536]:.2f} times")


if __name__ == "__main__":
    main()
