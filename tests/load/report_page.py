"""A load run's report as one page of HTML."""

from html_page import document as html_document, facts, number, plot, table, text


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
        mark = "good" if verdict["lost"] == verdict["differing"] == verdict["corrupt"] == 0 else "bad"
        rows.append(("Acknowledged writes", f"<span class={mark}>{verdict['acknowledged']:,}: {verdict['present']:,} on all nodes, "
                     f"{verdict['overwritten']:,} overwritten later, {verdict['lost']:,} lost; {verdict['differing']:,} rows "
                     f"differ between nodes, {verdict['corrupt']:,} are as nobody has written them</span>"))
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
    return (f"<p>Answered without errors and with a p99 of at most {limit:g} ms: <b>{result['knee_rate']:,.0f} actions a "
            f"second</b>. What ended the search: {text(result['knee_end'])}.</p>"
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
    return html_document("Colony under load", "".join(body))
