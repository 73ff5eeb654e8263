"""Table, JSON and plot of the results."""
import json
import os
import statistics

from plot import plot


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


def goal(line):
    """The goal of a line and whether it is reached; bold is the goal beyond it."""
    if line["must"] is None:
        return ""
    return f"{limit_text(line, line['must'])}: {verdict(line)}"


def markdown(lines):
    """The table as the README has it."""
    text = ["| # | Work | | etcd | regent | ratio (range) | goal |", "|---|---|---|---|---|---|---|"]
    for line in lines:
        at_least = "≥ " if line["loader_full"] and line["better"] == "higher" else ""
        ratio = f"**{at_least}{number(line['ratio'])}** ({number(line['ratio_min'])} – {number(line['ratio_max'])})"
        text.append(f"| {line['row']} | {line['work']} | {line['metric']}, {line['unit']} | {number(line['etcd'])} | "
                    f"{number(line['regent'])} | {ratio} | {goal(line)} |")
    return "\n".join(text)


def write(folder, lines, description):
    with open(os.path.join(folder, "results.json"), "w") as file:
        json.dump({"description": description, "rows": lines}, file, indent=1)
    with open(os.path.join(folder, "results.txt"), "w") as file:
        file.write("\n".join(f"{key}: {value}" for key, value in description.items()) + "\n\n" + table(lines) + "\n")
    with open(os.path.join(folder, "results.md"), "w") as file:
        file.write(markdown(lines) + "\n")
    with open(os.path.join(folder, "results.svg"), "w") as file:
        file.write(plot(lines, f"{description['regent']} against {description['etcd']}, {description['pairs']} pairs",
                        reaches, number) + "\n")
