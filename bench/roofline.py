"""Decode against the floor, drawn from the figures in docs/benchmarks: tokens/s by batch, a panel for each model.

    python bench/roofline.py [OUT.svg]          docs/benchmarks/roofline.svg if not given

Reads decode/MODEL/bBATCH[/cCONTEXT] as batucada-bench writes it; ROWS says which. A figure with "engine", a program and its
version, is that program's, measured on the same card: in ms/step or tokens/s, with or without a floor. It is drawn beside
ours. Needs the standard library alone.
"""

import dataclasses
import itertools
import json
import math
import pathlib
import re
import sys

FIGURES = pathlib.Path(__file__).resolve().parents[1] / "docs" / "benchmarks"
WINDOW = 2112  # tokens of context where a name says none: windows are full, and more change nothing
SAMBA = [("Samba 421M", "samba-421m", WINDOW), ("Samba 1.3B", "samba-1.3b", WINDOW), ("Samba 1.7B", "samba-1.7b", WINDOW),
         ("Samba 3.8B", "samba-3.8b", WINDOW)]
ROWS = [  # card, file of figures, panels: title, model, tokens of context
    ("NVIDIA H200", "h200.json", SAMBA),
    ("NVIDIA H100", "h100.json", SAMBA),
    ("NVIDIA H200", "h200-family.json", [
        ("Mamba 1.8B", "mamba-1.8b", WINDOW),
        ("Falcon-Mamba 7B", "falcon-mamba-7b", WINDOW),
        ("Llama-style 1.6B", "llama-1.6b", WINDOW),
        ("Llama-style 1.6B, 32K", "llama-1.6b", 32768),
    ]),
    ("NVIDIA H200", "h200-family.json", [
        ("Jamba 3B", "jamba-reasoning-3b", WINDOW),
        ("Jamba 3B, 32K", "jamba-reasoning-3b", 32768),
        ("Phi-4-mini-flash", "phi-4-mini-flash", WINDOW),
        ("Phi-4-mini-flash, 32K", "phi-4-mini-flash", 32768),
    ]),
]

# Pixels: the picture's width, room left of the first panel and between two, above the first row; a plot; a row with all of it.
WIDTH, LEFT, GAP, HEAD, PLOT_W, PLOT_H, ROW = 840, 46, 13, 84, 186, 126, 196
FIRST, LAST = 0.75, 800  # batches at the ends of a plot: 1 and 256, and a label right of it
THEMES = {  # paper, text, lesser text, grid, what is lost below the floor's speed, ours, others
    "": ("#ffffff", "#24292f", "#57606a", "#e4e7ea", "#f6dfcf", "#1f7a4d", "#2f5fb3", "#b3471f", "#7a3fa0"),
    "@media (prefers-color-scheme: dark)":
        ("#0d1117", "#e6edf3", "#9aa4af", "#262c34", "#4a3222", "#4cc38a", "#79a8ff", "#ff9a6b", "#c79bf2"),
}
SHAPES = ["M-3.5-3.5h7v7h-7z", "M0-4.5L4.5 3.5h-9z", "M0-5L5 0L0 5L-5 0z"]  # others' marks


@dataclasses.dataclass
class Point:
    """A measured decode step."""
    batch: int
    tokens: float  # per second, of all sequences together
    share: float  # of the floor's speed
    commit: str

    def floor(self):
        return self.tokens / self.share


def points(figures, model, context):
    """{engine, "" for ours: [Point], by batch}"""
    found = {}
    for figure in figures:
        match = re.fullmatch(rf"decode/{re.escape(model)}/b(\d+)(?:/c(\d+))?", figure["name"])
        if match and int(match[2] or WINDOW) == context:
            batch, value = int(match[1]), figure["value"]
            tokens = batch * 1e3 / value if figure["unit"] == "ms/step" else value
            found.setdefault(figure.get("engine", ""), []).append(
                Point(batch, tokens, figure["share_of_floor"], figure["commit"]))
    if len(found.get("", [])) < 3:
        raise SystemExit(f"roofline: fewer than three batches of decode/{model} at {context} tokens of context")
    return {engine: sorted(of, key=lambda point: point.batch) for engine, of in found.items()}


def between(seconds, bends=False):
    """[(batch, tokens/s)] from the first to the last of {batch: seconds of a step}, which are three or more.

    A step's time grows evenly with the batch. A floor's does so as long as reading the weights takes longer than multiplying
    with them; then tokens/s stay as they are (bench/floors.h). So it bends once, before its last batch.
    """
    batches = sorted(seconds)
    known, last, line = batches[:-1] if bends else batches, batches[-1], []
    for step in range(8 * math.ceil(math.log2(last / batches[0])) + 1):
        batch = min(batches[0] * 2**(step / 8), last)
        a, b = max(pair for pair in itertools.pairwise(known) if pair[0] <= batch)
        time = seconds[a] + (seconds[b] - seconds[a]) * (batch - a) / (b - a)
        line.append((batch, min(batch / time, last / seconds[last]) if bends else batch / time))
    return line


class Panel:
    """A plot, its left upper corner at (x, y): batches across, tokens/s from `low` to `high` up, both logarithmic."""

    def __init__(self, x, y, low, high):
        self.x, self.y, self.low, self.high = x, y, low, high

    def at(self, batch, tokens):
        across = math.log(batch / FIRST) / math.log(LAST / FIRST)
        up = math.log(tokens / self.low) / math.log(self.high / self.low)
        return self.x + PLOT_W * across, self.y + PLOT_H * (1 - up)

    def path(self, line):
        return "L".join(f"{x:.1f} {y:.1f}" for x, y in itertools.starmap(self.at, line))

    def axes(self, title, batches, labelled):
        yield f'<text x="{self.x}" y="{self.y - 8}">{title}</text>'
        for tokens in (part * 10**power for power in range(7) for part in (1, 3)):
            if self.low <= tokens <= self.high:
                y = self.at(1, tokens)[1]
                yield f'<path class="grid" d="M{self.x} {y:.1f}h{PLOT_W}"/>'
                if labelled:
                    name = f"{tokens // 1000}K" if tokens >= 1000 else tokens
                    yield f'<text class="small" x="{self.x - 6}" y="{y + 4:.1f}" text-anchor="end">{name}</text>'
        for batch in batches:
            x = self.at(batch, self.low)[0]
            yield f'<text class="small" x="{x:.1f}" y="{self.y + PLOT_H + 13}" text-anchor="middle">{batch}</text>'

    def ours(self, measured):
        floor = self.path(between({point.batch: point.batch / point.floor() for point in measured}, bends=True))
        back = self.path(reversed(between({point.batch: point.batch / point.tokens for point in measured})))
        yield f'<path class="lost" d="M{floor}L{back}z"/><path class="floor" d="M{floor}"/>'
        for point in measured:
            x, y = self.at(point.batch, point.tokens)
            yield (f'<circle class="ours" cx="{x:.1f}" cy="{y:.1f}" r="3.6"><title>{point.tokens:,.0f} tokens/s at batch '
                   f'{point.batch}</title></circle>')
            yield f'<text class="share" x="{x + 6:.1f}" y="{y + 12:.1f}">{point.share:.0%}</text>'

    def other(self, name, mark, measured):
        for point in measured:
            x, y = self.at(point.batch, point.tokens)
            yield (f'<path class="other{mark}" transform="translate({x:.1f} {y:.1f})" d="{SHAPES[mark]}"><title>{name}: '
                   f'{point.tokens:,.0f} tokens/s at batch {point.batch}</title></path>')


def legend(engines):
    items = [('<path class="lost" d="M0-9h24v10h-24z"/><path class="floor" d="M0-9h24"/>', "the floor's speed; shaded, what is lost"),
             ('<circle class="ours" cx="12" cy="-4" r="3.6"/>', "Batucada, % of it")]
    items += [(f'<path class="other{i}" transform="translate(12 -4)" d="{SHAPES[i]}"/>', name)
              for i, name in enumerate(engines)]
    x = LEFT
    for swatch, name in items:
        yield f'<g transform="translate({x} 64)">{swatch}<text x="30">{name}</text></g>'
        x += 54 + round(6.4 * len(name))


def style():
    for media, (paper, text, lesser, grid, lost, ours, *others) in THEMES.items():
        rules = [f".paper{{fill:{paper}}}", f"text{{fill:{text}}}", f".small{{fill:{lesser};font-size:11px}}",
                 f".grid{{stroke:{grid}}}", f".lost{{fill:{lost}}}", f".floor{{fill:none;stroke:{text};stroke-width:1.6}}",
                 f".ours,.share{{fill:{ours}}}", ".share{font-size:11px}",
                 *(f".other{i}{{fill:{ink}}}" for i, ink in enumerate(others))]
        yield media + ("{" + " ".join(rules) + "}" if media else " ".join(rules))


def draw(rows):
    """SVG of [(card, figures, panels)]: a row each, with one scale of tokens/s for all."""
    found = [(card, [(title, points(figures, model, context)) for title, model, context in panels])
             for card, figures, panels in rows]
    everything = [of for _, panels in found for _, of in panels]
    engines = sorted({engine for of in everything for engine in of if engine})
    low = min(point.tokens for of in everything for measured in of.values() for point in measured) / 1.7
    high = max(point.floor() for of in everything for point in of[""]) * 1.15
    parts = []
    for row, (card, panels) in enumerate(found):
        y = HEAD + ROW * row
        commits = sorted({point.commit for _, of in panels for point in of[""]})
        parts.append(f'<text x="{LEFT}" y="{y + 14}" font-weight="bold">One {card}, commit{"s" * (len(commits) > 1)} '
                     f'{", ".join(commits)}</text>')
        for column, (title, of) in enumerate(panels):
            panel = Panel(LEFT + (PLOT_W + GAP) * column, y + 42, low, high)
            parts += panel.axes(title, [point.batch for point in of[""]], column == 0)
            parts += panel.ours(of[""])
            for engine in engines:
                parts += panel.other(engine, engines.index(engine), of.get(engine, []))
    height = HEAD + ROW * len(found) + 12
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        'font-family="system-ui, sans-serif" font-size="13">', f'<style>{chr(10).join(style())}</style>',
        '<rect class="paper" width="100%" height="100%"/>',
        f'<text x="{LEFT}" y="24" font-size="16" font-weight="bold">Decode, tokens/s by batch, beside the most that the card '
        'allows</text>',
        f'<text class="small" x="{LEFT}" y="42">bf16, random weights, context past the window (2,112 tokens) or of 32,768; both '
        'axes logarithmic</text>', *legend(engines), *parts, "</svg>"]) + "\n"


def committed():
    """The picture of the figures in docs/benchmarks."""
    return draw([(card, json.loads((FIGURES / file).read_text(encoding="utf-8")), panels) for card, file, panels in ROWS])


def main():
    out = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else FIGURES / "roofline.svg"
    out.write_text(committed(), encoding="utf-8")


if __name__ == "__main__":
    main()
