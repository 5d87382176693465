"""A load run's report as one page of HTML that needs nothing else: tables, and plots as SVG."""

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


def plot(title, unit, xs, series, marks=(), logarithmic=False, x_unit="s", limit=None):
    """`series`: name to values, of which None is a gap; `marks`: (x, what)."""
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
        return LEFT + (x - x_low) / (x_high - x_low) * (WIDTH - LEFT - RIGHT)

    def up(y):
        share = (math.log10(y / low) / math.log10(high / low)) if logarithmic else y / high
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)

    out = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{text(title)}">']
    for tick in ticks:
        y = up(tick)
        out.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#e5e7eb"/>'
                   f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{tick:,g}</text>')
    step = nice_steps(x_high - x_low)
    for n in range(math.ceil(x_low / step), math.floor(x_high / step) + 1):
        out.append(f'<text x="{across(n * step):.1f}" y="{HEIGHT - 8}" text-anchor="middle">{n * step:g} {x_unit}</text>')
    if limit is not None and low < limit <= high:
        out.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{up(limit):.1f}" y2="{up(limit):.1f}" stroke="#b91c1c" '
                   f'stroke-dasharray="5 4"/>')
    for x, what in marks:
        if x_low <= x <= x_high:
            out.append(f'<line x1="{across(x):.1f}" x2="{across(x):.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}" stroke="#111827" '
                       f'stroke-dasharray="2 3"/><text x="{across(x) + 4:.1f}" y="{TOP + 9}">{text(what)}</text>')
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


def plots(result):
    series = result["series"]
    seconds, names = series["seconds"], series["processes"]
    if not seconds:
        return ""
    xs = [second["at_s"] for second in seconds]
    start = seconds[0]["monotonic_s"] - seconds[0]["at_s"]
    marks = [(mark["monotonic_s"] - start, mark["what"]) for mark in result.get("marks", [])]

    def column(name):
        return [second[name] for second in seconds]

    def by_process(name):
        return {process: [second[name][n] for second in seconds] for n, process in enumerate(names)}

    def latency(kind):
        return {f"{kind} {share}": column(f"{kind}_{share}_ms") for share in ("p50", "p99", "max")}
    return "".join((
        plot("Throughput", "answers a second", xs, {"answers": column("answers"), "errors": column("errors")}, marks),
        plot("Users connected", "users", xs, {"connected": column("connected")}, marks),
        plot("Latency from the intended start", "ms", xs, {**latency("read"), **latency("write")}, marks, True),
        plot("Visible on another node", "ms after the commit", xs, latency("visible"), marks, True),
        plot("Processor", "cores", xs, by_process("cpu"), marks),
        plot("Memory of its own", "MiB", xs, by_process("own_mib"), marks)))


def latency_table(totals):
    rows = [(name, totals["operations"][name]) for name in totals["operations"]]
    rows += [("all reads", totals["reads"]), ("all writes", totals["writes"]), ("visible elsewhere", totals["visible"])]
    return table(("ms", "count", "p50", "p90", "p99", "p99.9", "max"),
                 [(text(name), *(number(one[key]) for key in ("count", "p50_ms", "p90_ms", "p99_ms", "p999_ms", "max_ms")))
                  for name, one in rows if one["count"]])


def verdict_rows(result):
    verdict, proof = result.get("verdict"), result.get("proof")
    rows = []
    if verdict:
        mark = "good" if verdict["lost"] == 0 and verdict["differing"] == 0 else "bad"
        rows.append(("Acknowledged writes", f"<span class={mark}>{verdict['acknowledged']:,}: {verdict['present']:,} on all nodes, "
                     f"{verdict['overwritten']:,} overwritten later, {verdict['lost']:,} lost; {verdict['differing']:,} rows "
                     f"differ between nodes</span>"))
        rows.append(("Sent and never answered", number(verdict["unknown"])))
        if verdict["examples"]:
            rows.append(("For example", "<br>".join(map(text, verdict["examples"]))))
    if proof:
        rows.append(("<code>colony verify</code>", f"<pre>{text(proof['said'])}</pre>"))
        rows[-1] = ("colony verify", rows[-1][1])
    if "journal_lines" in result:
        rows.append(("Lines in the journal of conflicts so far", number(result["journal_lines"])))
    return rows


def users_section(result):
    totals = result["totals"]
    errors = "; ".join(f"{kind}: {times:,}" for kind, times in totals["errors"].items())
    rows = [("Answers a second", f"{number(totals['answers_per_s'])}, {number(totals['writes_per_s'])} of them to writes"),
            ("Users who were connected before measuring began", f"{result['arrived']:,} of {result['settings']['users']:,}"),
            ("Errors", f"<span class={'bad' if totals['error_count'] else 'good'}>{totals['error_count']:,}</span> {text(errors)}"),
            *([("Errors outside of what was measured", "; ".join(f"{text(kind)}: {times:,}" for kind, times in
                                                                 result["other_errors"].items()))]
              if result.get("other_errors") else []),
            ("Reads of values that showed less than what was acknowledged elsewhere before",
             f"{totals['stale_reads']:,} of {totals['value_reads']:,}"),
            ("Compare-and-sets that met another value", number(totals["conditions_refused"]))]
    if totals["moves"]:
        rows.append(("Users who went to another node", number(totals["moves"])))
    for key, name in (("unsent_when_killed", "Transactions that the killed node had not sent"),
                      ("caught_up_s", "Seconds until it had caught up after it came back")):
        if key in result:
            rows.append((name, number(result[key])))
    out = ""
    if "targets" in result:
        out += table(("", "measured", "at most", ""), [
            (text(name), f"{number(one['measured_ms'])} ms", f"{one['at_most_ms']} ms",
             "<span class=good>met</span>" if one["met"] else "<span class=bad>missed</span>")
            for name, one in result["targets"].items()])
    return out + facts(rows + verdict_rows(result)) + latency_table(totals) + plots(result)


def knee_section(result, limit):
    steps = result["steps"]
    head = ("actions/s wanted", "answered/s", "reads p99 ms", "writes p99 ms", "visible p99 ms", "errors")
    rows = [(f"{step['rate']:,.0f}", number(step["answers_per_s"]), number(step["reads"]["p99_ms"]),
             number(step["writes"]["p99_ms"]), number(step["visible"]["p99_ms"]), number(step["error_count"])) for step in steps]
    rates = [step["rate"] for step in steps]
    chart = plot("Latency by rate", "ms", rates, {"reads p99": [step["reads"]["p99_ms"] for step in steps],
                                                  "writes p99": [step["writes"]["p99_ms"] for step in steps],
                                                  "visible p99": [step["visible"]["p99_ms"] for step in steps]},
                 logarithmic=True, x_unit="/s", limit=limit)
    return (f"<p>The highest rate with a p99 of at most {limit:g} ms: <b>{result['knee_rate']:,.0f} actions a second</b>.</p>"
            + table(head, rows) + chart + facts(verdict_rows(result)) + plots(result))


def fairness_section(result):
    rows = [(f"{text(row['variant'])}; {text(row['mix'])}", number(row["answers_per_s"]), number(row["ratio_to_plain"]),
             number(row["reads_p99_ms"]), number(row["writes_p50_ms"]), number(row["writes_p99_ms"]),
             number(row["cpu_ms_per_1000"]), number(row["all_cpu_ms_per_1000"]), number(row["errors"])) for row in result["rows"]]
    return (f"<p>{result['users']} users who do not think (closed loop), medians of {result['rounds']} rounds in turns; all "
            "processes share this machine, the users' too.</p>"
            + table(("", "answers/s", "of plain", "reads p99", "writes p50", "writes p99", "service's CPU, ms per 1,000",
                     "with sidecars and broker", "errors"), rows))


TITLES = {"headline": "Users at their pace", "knee": "The knee", "kill": "A node killed in the middle",
          "direct": "Without HTTP: users on the files", "fairness": "Next to plain SQLite and to triggers"}


def section(name, result, document):
    out = f"<h2>{text(TITLES.get(name, name))}: <span class={'good' if result['ok'] else 'bad'}>{'ok' if result['ok'] else 'failed'}</span></h2>"
    if result.get("failure"):
        out += f"<p class=bad>{text(result['failure'])}</p>"
        if result.get("last_words"):
            out += f"<pre>{text(result['last_words'])}</pre>"
    if "steps" in result:
        out += knee_section(result, document["options"]["knee_limit"])
    elif "rows" in result:
        out += fairness_section(result)
    elif "totals" in result:
        out += users_section(result)
    return out


def page(document):
    options, machine = document["options"], document["machine"]
    body = [f"<h1>Colony under load: {options['users']:,} users, {options['nodes']} nodes</h1>",
            f"<p>Begun {text(document['begun'])}. To repeat it: <code>{text(document['command'])}</code></p>",
            "<p>A latency runs from the moment at which a user meant to act. Everything runs on one machine and shares its "
            "cores: brokers, sidecars, services and the users themselves. A commit counts as visible on another node when a "
            "reader of that node's file, who looks every 2 ms, finds it.</p>",
            facts([(name.replace("_", " "), text(value)) for name, value in machine.items()])]
    body += [section(name, result, document) for name, result in document["phases"].items()]
    return (f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Colony under load</title>'
            f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style>{"".join(body)}</html>\n')
