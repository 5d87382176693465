"""report_page.py FIGURES.json OUT.html: what tests/bench.sh has measured, as one page of HTML."""

import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from html_page import document, facts, number, plot, table, text  # noqa: E402

NOT_FIGURES = ("targets", "ranges", "curves")


def is_figure(value):
    return isinstance(value, (int, float))


def figure_rows(figures):
    of_curves = {f"{curve['key']}_at_" for curve in figures["curves"]}
    for key, value in figures.items():
        if key in NOT_FIGURES or not is_figure(value) or any(key.startswith(prefix) for prefix in of_curves):
            continue
        low, high = figures["ranges"].get(key, (None, None))
        target = figures["targets"].get(key)
        wanted = ""
        if target:
            word, limit = ("≥", target["at_least"]) if "at_least" in target else ("≤", target["at_most"])
            wanted = f"{word} {limit:g} <span class={'good' if target['met'] else 'bad'}>{'met' if target['met'] else 'missed'}</span>"
        yield text(key), number(value), "" if low is None else f"{number(low)} … {number(high)}", wanted


def curve_section(curve):
    points = curve["points"]
    series = {name: [point[key] for point in points] for name, key in (("median", "y"), ("lowest", "min"), ("highest", "max"))}
    rows = [(f"{point['x']:,}", number(point["y"]), f"{number(point['min'])} … {number(point['max'])}") for point in points]
    return (plot(curve["title"], curve["y_title"], [point["x"] for point in points], series, x_unit="", x_logarithmic=True)
            + table((curve["x_title"], "median", "lowest … highest"), rows))


def page(figures):
    body = ["<h1>How fast Colony is</h1><p>Ratios are medians of ratios within a round, in which all variants took turns.</p>",
            facts([(key.replace("_", " "), text(value)) for key, value in figures.items() if isinstance(value, str)])]
    rows = list(figure_rows(figures))
    if rows:
        body.append("<h2>Figures</h2>" + table(("", "measured", "lowest … highest", "wanted"), rows))
    if figures["curves"]:
        body.append("<h2>How cost grows</h2>" + "".join(map(curve_section, figures["curves"])))
    return document("How fast Colony is", "".join(body))


def main():
    source, target = sys.argv[1:]
    pathlib.Path(target).write_text(page(json.loads(pathlib.Path(source).read_text())))


main()
