"""Table, JSON and plot of the results."""
import html
import json
import math
import os
import statistics


def summarize(rows, runs, pairs_wanted):
    """One line per row and metric: medians of both sides, and the median of the pairs' ratios with its range."""
    lines = []
    for row in rows:
        sides = {}
        for run in runs:
            if run["row"] == row.name:
                sides.setdefault(run["pair"], {})[run["side"]] = run["result"]
        pairs = [pair for number, pair in sorted(sides.items()) if len(pair) == 2 and number < pairs_wanted]
        if not pairs:
            continue
        for metric in row.metrics:
            etcd = [metric.read(pair["etcd"]) for pair in pairs]
            regent = [metric.read(pair["regent"]) for pair in pairs]
            ratios = [metric.ratio(one, other) for one, other in zip(etcd, regent)]
            lines.append({
                "row": row.name, "work": row.title, "metric": metric.name, "unit": metric.unit, "pairs": len(pairs),
                "etcd": statistics.median(etcd), "regent": statistics.median(regent),
                "ratio": statistics.median(ratios), "ratio_min": min(ratios), "ratio_max": max(ratios),
                "must": metric.must, "bold": metric.bold, "own": metric.own, "better": metric.better,
                "errors": sum(pair[side]["errors"] for pair in pairs for side in pair),
                # With a full core the loader, not the server, sets the pace.
                "loader_full": max(pair["regent"].get("loader_cpu_share", 0) for pair in pairs) > 0.9})
    return lines


def number(value):
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def reaches(line, limit):
    """Whether the ratio, or regent's own number where it is compared with itself, is as good as the limit."""
    if limit is None:
        return False
    if line["own"] and line["better"] == "lower":
        return line["regent"] <= limit
    return (line["regent"] if line["own"] else line["ratio"]) >= limit


def verdict(line):
    if line["errors"]:
        return f"{line['errors']} errors"
    if line["must"] is None:
        return ""
    if reaches(line, line["bold"]):
        return "bold"
    return "met" if reaches(line, line["must"]) else "missed"


def limit_text(line, limit):
    if limit is None:
        return ""
    return f"own {'≤' if line['better'] == 'lower' else '≥'} {limit:g}" if line["own"] else f"{limit:g}"


def table(lines):
    head = ("row", "work", "metric", "etcd", "regent", "ratio", "range", "must", "bold", "")
    cells = [head]
    for line in lines:
        at_least = "≥ " if line["loader_full"] and line["better"] == "higher" else ""
        cells.append((line["row"], line["work"], f"{line['metric']}, {line['unit']}", number(line["etcd"]),
                      number(line["regent"]), at_least + f"{line['ratio']:.2f}",
                      f"{line['ratio_min']:.2f} – {line['ratio_max']:.2f}",
                      limit_text(line, line["must"]), limit_text(line, line["bold"]), verdict(line)))
    widths = [max(len(cell[i]) for cell in cells) for i in range(len(head))]
    text = [" | ".join(word.ljust(width) for word, width in zip(cell, widths)).rstrip() for cell in cells]
    text.insert(1, "-|-".join("-" * width for width in widths))
    return "\n".join(text)


def plot(lines, title):
    """Ratios on a logarithmic axis: a bar from 1, the range of the pairs, a mark at what must be reached."""
    left, width, line_height, top = 430, 520, 28, 60
    highest = max([line["ratio_max"] for line in lines] + [line["must"] or 1 for line in lines] + [10])
    lowest = min([line["ratio_min"] for line in lines] + [0.5])
    span = math.log10(highest) - math.log10(lowest)

    def x(ratio):
        return left + width * (math.log10(max(ratio, lowest)) - math.log10(lowest)) / span

    height = top + line_height * len(lines) + 50
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + width + 90}" height="{height}" '
             'font-family="sans-serif" font-size="12">', '<rect width="100%" height="100%" fill="white"/>',
             f'<text x="16" y="24" font-size="15">{html.escape(title)}</text>',
             f'<text x="16" y="42" fill="#555">ratio of the pairs’ medians, above 1: regent is better</text>']
    tick = 10 ** math.floor(math.log10(lowest))
    while tick <= highest:
        for step in (1, 2, 5):
            if lowest <= tick * step <= highest:
                position = x(tick * step)
                parts.append(f'<line x1="{position:.1f}" y1="{top - 6}" x2="{position:.1f}" y2="{height - 40}" stroke="#ddd"/>'
                             f'<text x="{position:.1f}" y="{height - 24}" text-anchor="middle" fill="#555">{tick * step:g}</text>')
        tick *= 10
    for i, line in enumerate(lines):
        middle = top + line_height * i + 12
        color = "#2b7a4b" if line["ratio"] >= 1 else "#b3402a"
        start, end = sorted((x(1), x(line["ratio"])))
        label = f"{line['row']}  {line['work']} · {line['metric']}"
        parts.append(f'<text x="16" y="{middle + 4}">{html.escape(label)}</text>'
                     f'<rect x="{start:.1f}" y="{middle - 8}" width="{max(1, end - start):.1f}" height="16" fill="{color}"/>'
                     f'<line x1="{x(line["ratio_min"]):.1f}" y1="{middle}" x2="{x(line["ratio_max"]):.1f}" y2="{middle}" '
                     f'stroke="black"/><text x="{x(line["ratio_max"]) + 6:.1f}" y="{middle + 4}">{line["ratio"]:.2f}</text>')
        if line["must"]:
            parts.append(f'<line x1="{x(line["must"]):.1f}" y1="{middle - 10}" x2="{x(line["must"]):.1f}" y2="{middle + 10}" '
                         'stroke="#1f4e9c" stroke-width="2"/>')
    parts.append(f'<line x1="{x(1):.1f}" y1="{top - 6}" x2="{x(1):.1f}" y2="{height - 40}" stroke="black"/>'
                 f'<text x="16" y="{height - 24}" fill="#1f4e9c">blue mark: must be reached</text></svg>')
    return "\n".join(parts)


def write(folder, lines, description):
    with open(os.path.join(folder, "results.json"), "w") as file:
        json.dump({"description": description, "rows": lines}, file, indent=1)
    with open(os.path.join(folder, "results.txt"), "w") as file:
        file.write("\n".join(f"{key}: {value}" for key, value in description.items()) + "\n\n" + table(lines) + "\n")
    with open(os.path.join(folder, "results.svg"), "w") as file:
        file.write(plot(lines, f"{description['regent']} against {description['etcd']}, {description['pairs']} pairs") + "\n")
