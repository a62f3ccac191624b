"""Draws the held-out loss at the end of runs against the bytes that their workers exchanged, a mark for each codec.

Reads JSON lines, one for each run: {"codec", "seed", "start", "end", "bytes", "f32_bytes", "tokens"}: the losses before
and after, the bytes of all contributions, those of the same contributions in f32. A mark is the mean over the seeds,
its bar reaches from the least loss to the largest. Writes an SVG that needs no fonts of its own and is legible on light
and dark grounds, and prints the figures as a Markdown table.

    python loss_bytes.py loss-bytes.jsonl --svg loss-bytes.svg
"""

import argparse
import html
import json
import math
import pathlib
import sys

WIDTH, HEIGHT = 760, 430
LEFT, RIGHT, TOP, BOTTOM = 74, 112, 26, 62
FONT = "system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif"
SIZE = 13
# Contrast to white and to GitHub's dark ground is above 4.1 : 1 for each of these, near the most that one colour can
# have to both, so that one picture serves either.
INK, SPARSE, DENSE, PLAIN = "#747c86", "#2b7bd4", "#bf6510", "#238b41"
FIELDS = ("codec", "seed", "start", "end", "bytes", "f32_bytes", "tokens")


def read(path):
    """Runs by codec. A line that is no run ends the program with its number."""
    runs = {}
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not line.strip():
            continue
        try:
            run = json.loads(line)
            _ = [float(run[field]) for field in FIELDS[1:]]
        except (ValueError, KeyError, TypeError) as error:
            sys.exit(f"{path} line {number} is no run with {', '.join(FIELDS)}: {error!r}")
        if any(other["seed"] == run["seed"] for other in runs.get(run["codec"], [])):
            sys.exit(f"{path} line {number}: a second run of {run['codec']} with seed {run['seed']}")
        runs.setdefault(run["codec"], []).append(run)
    if not runs:
        sys.exit(f"{path} holds no runs")
    return runs


def summary(codec, runs):
    mean = lambda field: sum(run[field] for run in runs) / len(runs)
    ends = [run["end"] for run in runs]
    return {
        "codec": codec,
        "seeds": len(runs),
        "start": mean("start"),
        "end": mean("end"),
        "least": min(ends),
        "most": max(ends),
        "bytes": mean("bytes"),
        # Of whole runs: a warm-up in another codec counts.
        "ratio": mean("f32_bytes") / mean("bytes"),
        "tokens": mean("tokens"),
    }


def table(rows):
    """Markdown, the fewest bytes first; the progress is set against the codec that loses nothing, where it is there."""
    plain = next((row for row in rows if row["codec"] == "none"), None)
    lines = [
        "| codec | bytes exchanged | times smaller than f32 | held-out loss (least to most) | progress of `none` |",
        "|---|---:|---:|---:|---:|",
    ]
    for row in rows:
        progress = ""
        if plain and plain["start"] != plain["end"]:
            progress = f"{100 * (row['start'] - row['end']) / (plain['start'] - plain['end']):.1f} %"
        lines.append(
            f"| `{row['codec']}` | {size(row['bytes'])} | {row['ratio']:.1f} | "
            f"{row['end']:.4f} ({row['least']:.4f} to {row['most']:.4f}) | {progress} |"
        )
    seeds = sorted({row["seeds"] for row in rows})
    tokens = sorted({round(row["tokens"]) for row in rows})
    lines.append(f"\nSeeds: {' or '.join(map(str, seeds))}. Tokens: {' or '.join(f'{n:,}' for n in tokens)}.")
    return "\n".join(lines)


def size(number):
    """A number of bytes in binary units, as the program prints them."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if number < 1024 or unit == "GiB":
            return f"{number:.0f} B" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1024


def byte_ticks(least, most):
    """Powers of four in binary units."""
    ticks = [base * 1024**power for power in range(5) for base in (1, 4, 16, 64, 256)]
    return [tick for tick in ticks if least <= tick <= most]


def loss_ticks(least, most):
    """Round numbers at steps of 1, 2 or 5 that make four to nine ticks."""
    step = 10 ** math.floor(math.log10(max(most - least, 1e-6)))
    step = next(s for s in (step, step / 2, step / 5, step / 10) if (most - least) / s >= 4)
    first = math.ceil(least / step)
    ticks = [round(n * step, 10) for n in range(first, math.floor(most / step) + 1)]
    return ticks, max(0, -math.floor(math.log10(step)))


def svg(rows):
    pad = 0.08 * (max(row["most"] for row in rows) - min(row["least"] for row in rows)) or 0.01
    low, high = min(row["least"] for row in rows) - pad, max(row["most"] for row in rows) + pad
    first, last = min(row["bytes"] for row in rows) / 1.5, max(row["bytes"] for row in rows) * 1.5
    x = lambda value: LEFT + (WIDTH - LEFT - RIGHT) * math.log(value / first) / math.log(last / first)
    y = lambda value: TOP + (HEIGHT - TOP - BOTTOM) * (high - value) / (high - low)
    parts = [*axes(x, y, (first, last), (low, high)), *(mark(x, y, row) for row in rows), *labels(x, y, rows)]
    body = "\n".join(parts)
    title = "Held-out loss at the end against bytes exchanged, by codec"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        f'role="img" aria-label="{title}" font-family="{FONT}" font-size="{SIZE}">\n'
        f"<title>{title}</title>\n{body}\n</svg>\n"
    )


def axes(x, y, bytes_range, losses):
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    ticks, digits = loss_ticks(*losses)
    for tick in ticks:
        ends = f'x1="{LEFT}" x2="{right}" y1="{y(tick):.1f}" y2="{y(tick):.1f}"'
        yield f'<line {ends} stroke="{INK}" stroke-opacity="0.3"/>'
        yield text(LEFT - 8, y(tick) + 4, f"{tick:.{digits}f}", "end")
    for tick in byte_ticks(*bytes_range):
        yield f'<line x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="{bottom}" y2="{bottom + 5}" stroke="{INK}"/>'
        yield text(x(tick), bottom + 20, size(tick).replace(".0 ", " "), "middle")
    yield f'<line x1="{LEFT}" x2="{right}" y1="{bottom}" y2="{bottom}" stroke="{INK}"/>'
    yield text((LEFT + right) / 2, HEIGHT - 14, "bytes exchanged in the whole run (logarithmic)", "middle")
    middle = (TOP + bottom) / 2
    yield (
        f'<text transform="translate(16 {middle:.1f}) rotate(-90)" text-anchor="middle" fill="{INK}">'
        "held-out loss at the end (lower is better)</text>"
    )


def mark(x, y, row):
    at, colour = x(row["bytes"]), colour_of(row["codec"])
    least, most = y(row["least"]), y(row["most"])
    # Ends that lie in the dot would only make it look square.
    ends = f"M{at - 5:.1f} {least:.1f}h10M{at - 5:.1f} {most:.1f}h10" if most - least > 12 else ""
    bar = f"M{at:.1f} {least:.1f}V{most:.1f}{ends}"
    return (
        f'<path d="{bar}" stroke="{colour}" stroke-width="1.5" fill="none"/>'
        f'<circle cx="{at:.1f}" cy="{y(row["end"]):.1f}" r="5" fill="{colour}"/>'
    )


def labels(x, y, rows):
    """Names beside the marks: on the right, or where that is taken a line lower or higher, or on the left."""
    bars = [(x(row["bytes"]) - 6, x(row["bytes"]) + 6, y(row["most"]) - 5, y(row["least"]) + 5) for row in rows]
    taken = list(bars)
    for row in rows:
        at, height, width = x(row["bytes"]), y(row["end"]), 0.58 * SIZE * len(row["codec"])
        places = [(side, shift) for shift in (0, -14, 14, -26, 26, -40, 40) for side in (1, -1)]
        boxes = [
            (side, shift, (*sorted((at + side * 11, at + side * (11 + width))), height + shift - 7, height + shift + 7))
            for side, shift in places
        ]
        inside = [place for place in boxes if place[2][0] > LEFT and place[2][1] < WIDTH]
        free = [place for place in inside if not any(cross(place[2], other) for other in taken)]
        side, shift, chosen = (free or inside)[0]
        taken.append(chosen)
        anchor = "start" if side > 0 else "end"
        yield text(at + side * 11, height + shift + 4.5, row["codec"], anchor, colour_of(row["codec"]), "600")


def cross(one, other):
    """Whether two boxes (left, right, top, bottom) share a point."""
    return one[0] < other[1] and other[0] < one[1] and one[2] < other[3] and other[2] < one[3]


def text(x, y, words, anchor, colour=INK, weight="400"):
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}" font-weight="{weight}">'
        f"{html.escape(words)}</text>"
    )


def colour_of(codec):
    return SPARSE if codec.startswith("topk") else DENSE if codec.startswith("dense") else PLAIN


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=pathlib.Path)
    parser.add_argument("--svg", type=pathlib.Path, help="the picture to write; RUNS with .svg by default")
    options = parser.parse_args()
    rows = sorted((summary(codec, runs) for codec, runs in read(options.runs).items()), key=lambda row: row["bytes"])
    (options.svg or options.runs.with_suffix(".svg")).write_text(svg(rows))
    print(table(rows))


if __name__ == "__main__":
    main()
