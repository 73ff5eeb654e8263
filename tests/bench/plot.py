"""The plot of the results: one bar for each number that has a goal."""
import html
import math

LEFT, WIDTH, RIGHT = 540, 470, 300
LINE, TOP, BOTTOM = 22, 86, 46
GOOD, FAIR, BAD = "#2b7a4b", "#c98a1b", "#b3402a"


class Axis:
    """Ratios on a logarithmic scale."""

    def __init__(self, lines):
        goals = [line["must"] for line in lines if not line["own"]]
        self.low = 10 ** math.floor(math.log10(min([line["ratio_min"] for line in lines] + [0.9])))
        self.high = 10 ** math.ceil(math.log10(max([line["ratio_max"] for line in lines] + goals + [10])))

    def x(self, ratio):
        share = math.log10(min(max(ratio, self.low), self.high) / self.low) / math.log10(self.high / self.low)
        return LEFT + WIDTH * share

    def ticks(self):
        decade = self.low
        while decade <= self.high * 1.001:
            yield decade
            decade *= 10


def text(x, y, words, color="#222", anchor="start", size=12, bold=False):
    weight = ' font-weight="bold"' if bold else ""
    return (f'<text x="{x:.1f}" y="{y:.1f}" fill="{color}" text-anchor="{anchor}" font-size="{size}"{weight}>'
            f"{html.escape(words)}</text>")


def rule(x, top, bottom, color, width=1):
    return f'<line x1="{x:.1f}" y1="{top}" x2="{x:.1f}" y2="{bottom}" stroke="{color}" stroke-width="{width}"/>'


def color_of(line, reaches):
    if reaches(line, line["must"]):
        return GOOD
    return FAIR if line["ratio"] >= 1 else BAD


def bar(line, top, axis, reaches, number):
    middle = top + LINE / 2
    start, end = sorted((axis.x(1), axis.x(line["ratio"])))
    color = color_of(line, reaches)
    parts = [f'<rect x="{start:.1f}" y="{top + 5}" width="{max(1.5, end - start):.1f}" height="{LINE - 10}" fill="{color}"/>',
             f'<line x1="{axis.x(line["ratio_min"]):.1f}" y1="{middle}" x2="{axis.x(line["ratio_max"]):.1f}" y2="{middle}" '
             'stroke="black"/>',
             text(LEFT + WIDTH + 24, middle + 4, f"{number(line['ratio'])} ×", color, bold=True),
             text(LEFT + WIDTH + 100, middle + 4, f"{number(line['etcd'])} → {number(line['regent'])} {line['unit']}", "#555")]
    if not line["own"]:
        parts.append(rule(axis.x(line["must"]), top + 2, top + LINE - 2, "#1f4e9c", 2.5))
    return parts


def labels(line, first_of_row, top):
    middle = top + LINE / 2 + 4
    parts = [text(LEFT - 14, middle, line["metric"], "#444", "end")]
    if first_of_row:
        parts += [text(16, middle, line["row"], bold=True), text(52, middle, line["work"])]
    return parts


def plot(all_lines, title, reaches, number):
    """An SVG document. `reaches(line, limit)` and `number(value)` are the table's."""
    lines = [line for line in all_lines if line["must"] is not None]
    axis = Axis(lines)
    bottom = TOP + LINE * len(lines)
    width = LEFT + WIDTH + RIGHT
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{bottom + BOTTOM}" '
             f'viewBox="0 0 {width} {bottom + BOTTOM}" font-family="DejaVu Sans, Helvetica, Arial, sans-serif">',
             '<rect width="100%" height="100%" fill="white"/>', text(16, 28, title, size=16, bold=True),
             text(16, 50, "How many times better regent is, the median of the pairs and their range; blue: what must be reached. "
                          "Green: reached, amber: better than etcd, red: worse.", "#555"),
             text(LEFT + WIDTH + 24, TOP - 8, "ratio", "#555"), text(LEFT + WIDTH + 100, TOP - 8, "etcd → regent", "#555")]
    shaded, previous = False, None
    bars = []
    for i, line in enumerate(lines):
        top = TOP + LINE * i
        first_of_row = line["row"] != previous
        shaded, previous = shaded != first_of_row, line["row"]
        if shaded:
            parts.append(f'<rect x="8" y="{top}" width="{width - 16}" height="{LINE}" fill="#f3f5f7"/>')
        bars += labels(line, first_of_row, top) + bar(line, top, axis, reaches, number)
    for tick in axis.ticks():
        parts += [rule(axis.x(tick), TOP, bottom, "#999" if tick == 1 else "#ddd"),
                  text(axis.x(tick), bottom + 18, f"{tick:g}", "#555", "middle"),
                  text(axis.x(tick), TOP - 8, f"{tick:g}", "#555", "middle")]
    return "\n".join(parts + bars + ["</svg>"])
