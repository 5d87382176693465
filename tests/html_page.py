"""Pages of HTML that need nothing else: tables, and plots as SVG."""

import html
import math

COLOURS = ("#2563eb", "#dc2626", "#059669", "#d97706", "#7c3aed", "#0891b2", "#be185d", "#4d7c0f", "#475569", "#ea580c",
           "#1e40af", "#a16207")
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 860, 240, 62, 12, 14, 26
STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; max-width: 900px; margin: 2em auto; padding: 0 1em; color: #1f2937; }
h1, h2, h3 { line-height: 1.2; } h2 { margin-top: 2em; border-bottom: 1px solid #d1d5db; } h3 { margin-bottom: .2em; }
table { border-collapse: collapse; margin: .6em 0; } td, th { padding: .2em .8em .2em 0; text-align: left; vertical-align: top; }
td.number, th.number { text-align: right; } tr + tr td { border-top: 1px solid #e5e7eb; }
code, pre { background: #f3f4f6; padding: .1em .3em; } pre { padding: .6em; overflow-x: auto; font-size: 13px; }
.good { color: #047857; } .bad { color: #b91c1c; font-weight: 600; } figure { margin: 0; }
figcaption { font-size: 13px; } figcaption span { margin-right: 1em; white-space: nowrap; }
svg text { font: 11px system-ui, sans-serif; fill: #4b5563; }
"""


def text(value):
    return html.escape(str(value))


def number(value):
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}" if abs(value) < 100 else f"{value:.1f}"
    return f"{value:,}" if isinstance(value, int) else text(value)


def table(head, rows):
    cells = "".join(f"<th{' class=number' if n else ''}>{text(name)}</th>" for n, name in enumerate(head))
    body = "".join("<tr>" + "".join(f"<td{' class=number' if n else ''}>{cell}</td>" for n, cell in enumerate(row)) + "</tr>"
                   for row in rows)
    return f"<table><tr>{cells}</tr>{body}</table>"


def facts(rows):
    return "<table>" + "".join(f"<tr><td>{text(name)}</td><td>{value}</td></tr>" for name, value in rows) + "</table>"


def nice_steps(highest):
    step = 10 ** math.floor(math.log10(highest)) if highest > 0 else 1
    for part in (0.2, 0.5, 1, 2):
        if highest / (step * part) <= 6:
            return step * part
    return step * 2


def plot(title, unit, xs, series, marks=(), logarithmic=False, x_unit="s", limit=None, x_logarithmic=False):
    """`series`: name to values, of which None is a gap; `marks`: (x, what). With a logarithmic x every x has a tick."""
    values = [y for ys in series.values() for y in ys if y is not None and (y > 0 or not logarithmic)]
    if not xs or not values:
        return ""
    x_low, x_high = min(xs), max(max(xs), min(xs) + 1e-9)
    if logarithmic:
        low = 10 ** math.floor(math.log10(min(values)))
        high = max(10 ** math.ceil(math.log10(max(values))), low * 10)
        ticks = [10.0 ** e for e in range(round(math.log10(low)), round(math.log10(high)) + 1)]
    else:
        low, step = 0, nice_steps(max(values))
        high = step * math.ceil(max(values) / step) or 1
        ticks = [step * n for n in range(round(high / step) + 1)]

    def across(x):
        scaled = math.log1p if x_logarithmic else float  # 0 is among the backlogs
        return LEFT + (scaled(x) - scaled(x_low)) / (scaled(x_high) - scaled(x_low)) * (WIDTH - LEFT - RIGHT)

    def up(y):
        share = (math.log10(y / low) / math.log10(high / low)) if logarithmic else y / high
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)

    out = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{text(title)}">']
    for tick in ticks:
        y = up(tick)
        out.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#e5e7eb"/>'
                   f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{tick:,g}</text>')
    step = nice_steps(x_high - x_low)
    for x in xs if x_logarithmic else [n * step for n in range(math.ceil(x_low / step), math.floor(x_high / step) + 1)]:
        anchor = "end" if x == x_high else "start" if x == x_low else "middle"
        out.append(f'<text x="{across(x):.1f}" y="{HEIGHT - 8}" text-anchor="{anchor}">{x:,g} {x_unit}</text>')
    if limit is not None and low < limit <= high:
        out.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{up(limit):.1f}" y2="{up(limit):.1f}" stroke="#b91c1c" '
                   f'stroke-dasharray="5 4"/>')
    for x, what in marks:
        if x_low <= x <= x_high:
            out.append(f'<line x1="{across(x):.1f}" x2="{across(x):.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}" stroke="#111827" '
                       f'stroke-dasharray="2 3"/><text x="{across(x) + 4:.1f}" y="{TOP - 4}">{text(what)}</text>')
    legend = []
    for colour, (name, ys) in zip(COLOURS * 3, series.items()):
        path, is_down = [], False
        for x, y in zip(xs, ys):
            if y is None or (logarithmic and y <= 0):
                is_down = False
                continue
            path.append(f"{'L' if is_down else 'M'}{across(x):.1f},{up(y):.1f}")
            is_down = True
        out.append(f'<path d="{" ".join(path)}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        legend.append(f'<span><b style="color:{colour}">—</b> {text(name)}</span>')
    return (f"<h3>{text(title)}, {text(unit)}</h3><figure>{''.join(out)}</svg>"
            f"<figcaption>{''.join(legend)}</figcaption></figure>")


def document(title, body):
    return (f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{text(title)}</title>'
            f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style>{body}</html>\n')
