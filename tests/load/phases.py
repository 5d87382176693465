"""The phases of a load run. Each gives a dictionary for the report, with "ok" in it."""

import contextlib
import json
import pathlib
import shutil
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time

import stage as staging
from processes import until
from stage import COLONY_LOAD, Service, Stage, dataset_words, extension_words, prepared, service_words

TARGETS = {"reads p99": ("reads", 50), "writes p99": ("writes", 100), "visible p99": ("visible", 500)}


def say(text):
    print(text, file=sys.stderr, flush=True)


class Load:
    """One run of colony-load, in the background. Its progress goes where ours goes."""

    running = set()

    def __init__(self, directory, *words):
        self.report = pathlib.Path(directory) / "colony-load.json"
        self.report.unlink(missing_ok=True)
        self.command = [COLONY_LOAD, "--report", str(self.report), *map(str, words)]
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, preexec_fn=staging.die_with_parent)
        Load.running.add(self)

    def finish(self, timeout):
        """The report; what there is of it if it does not end in time."""
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(120)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        Load.running.discard(self)
        if not self.report.exists():
            raise RuntimeError(f"colony-load ended with {self.process.returncode} and no report")
        return json.loads(self.report.read_text())


def end_all_loads():
    for load in list(Load.running):
        load.process.kill()
        load.process.wait()


def common_words(options):
    ramp = options.ramp or max(2, options.users / 4000)
    return [*dataset_words(options), "--users", options.users, "--think", options.think, "--ramp", ramp,
            "--warm-up", min(options.think, options.seconds / 2), "--settle", 180, "--seed", options.seed,
            "--keys", options.keys, *(["--mix", options.mix] if options.mix else [])]


def http_words(stage, options):
    return [*common_words(options), *stage.targets(), "--files", stage.files(), *stage.processes()]


def patience(options, seconds):
    return 120 + options.users / 1000 + options.think + 2 * seconds + 240


def concluded(stage, report):
    """The same report, with what the colony itself says."""
    report["proof"] = stage.proof()
    report["journal_lines"] = stage.conflicts()
    report["services"] = [service_stats(service) for service in stage.services if service.runs()]
    report["ok"] = bool(report["ok"]) and report["proof"]["exit_code"] == 0
    return report


def service_stats(service):
    import http.client
    client = http.client.HTTPConnection("127.0.0.1", service.port, timeout=10)
    try:
        client.request("GET", "/stats")
        return json.loads(client.getresponse().read())
    finally:
        client.close()


def headline(stage, options):
    load = Load(stage.directory, *http_words(stage, options), "--seconds", options.seconds)
    report = concluded(stage, load.finish(patience(options, options.seconds)))
    report["targets"] = {
        name: {"at_most_ms": limit, "measured_ms": report["totals"][part]["p99_ms"],
               "met": report["totals"][part]["count"] > 0 and report["totals"][part]["p99_ms"] <= limit}
        for name, (part, limit) in TARGETS.items()}
    return report


def knee(stage, options):
    words = ["--knee", "--knee-limit", options.knee_limit, "--knee-factor", options.knee_factor,
             "--knee-seconds", options.knee_seconds]
    load = Load(stage.directory, *http_words(stage, options), *words)
    return concluded(stage, load.finish(patience(options, 30 * (options.knee_seconds + 1))))


def kill(stage, options):
    """The last node dies after the first third of the time, and is back after the second."""
    node = stage.nodes[-1]
    services = stage.services_of(node)
    measuring = stage.directory / "measuring"
    measuring.unlink(missing_ok=True)
    load = Load(stage.directory, *http_words(stage, options), "--seconds", options.seconds, "--may-lose-node",
                "--measuring-file", measuring)
    until(lambda: measuring.exists() or load.process.poll() is not None, "measuring begins",
          timeout=patience(options, 0), every=0.05)
    marks = []

    def wait_and_mark(share, what):
        pause = begin + share * options.seconds - time.monotonic()
        try:
            load.process.wait(max(pause, 0))
        except subprocess.TimeoutExpired:
            marks.append({"monotonic_s": time.monotonic(), "what": what})

    begin = time.monotonic()
    if load.process.poll() is None:
        wait_and_mark(1 / 3, f"node {node.name} killed")
        # First its link to the others: what it acknowledges then, nobody else has when it dies.
        node.kill()
        time.sleep(0.5)
        for service in services:
            service.kill()
        pending = node.one("SELECT count(*) FROM __colony_outbox")
        wait_and_mark(2 / 3, f"node {node.name} back")
        stage.start_sidecar(node)
        for service in services:
            service.start()
        back = time.monotonic()
        node.await_state("running", timeout=120)
        caught_up_s = time.monotonic() - back
    report = load.finish(patience(options, options.seconds))
    report["marks"] = marks
    if marks:
        report["unsent_when_killed"] = pending
        report["caught_up_s"] = round(caught_up_s, 3)
    report = concluded(stage, report)
    report["ok"] = report["ok"] and len(marks) == 2 and report["totals"]["moves"] > 0
    return report


def direct(stage, options):
    load = Load(stage.directory, *common_words(options), "--direct", stage.files(), *extension_words(options),
                *stage.processes(), "--seconds", options.seconds)
    return concluded(stage, load.finish(patience(options, options.seconds)))


# ---------------------------------------------------------------- fairness

PLAIN = "plain SQLite"  # what the others are held against
MIXES = {"the same mix": None, "writes only": "write=100"}


def fairness(options):
    """One service at full speed over one file, four ways, in turns."""
    options = type(options)(**{**vars(options), "processes": 1})
    results = {name: {mix: [] for mix in MIXES} for name in VARIANTS}
    for round_number in range(options.fairness_rounds):
        for name, variant in VARIANTS.items():
            for mix, shares in MIXES.items():
                say(f"fairness, round {round_number + 1}: {name}, {mix}")
                results[name][mix].append(variant(options, shares))
    rows, ok = [], True
    for mix in MIXES:
        plain = [one["totals"]["answers_per_s"] for one in results[PLAIN][mix]]
        for name in VARIANTS:
            runs = results[name][mix]
            ok = ok and all(one["ok"] for one in runs)
            rows.append({
                "variant": name, "mix": mix,
                "answers_per_s": round(statistics.median(one["totals"]["answers_per_s"] for one in runs), 1),
                "ratio_to_plain": round(statistics.median(
                    one["totals"]["answers_per_s"] / base for one, base in zip(runs, plain)), 3),
                "reads_p99_ms": statistics.median(one["totals"]["reads"]["p99_ms"] for one in runs),
                "writes_p99_ms": statistics.median(one["totals"]["writes"]["p99_ms"] for one in runs),
                "writes_p50_ms": statistics.median(one["totals"]["writes"]["p50_ms"] for one in runs),
                "cpu_ms_per_1000": round(statistics.median(one["cpu_ms_per_1000"] for one in runs), 1),
                "all_cpu_ms_per_1000": round(statistics.median(one["all_cpu_ms_per_1000"] for one in runs), 1),
                "errors": sum(one["totals"]["error_count"] for one in runs)})
    return {"rows": rows, "rounds": options.fairness_rounds, "users": options.fairness_users, "ok": ok}


def saturate(options, shares, services, processes, directory):
    words = [*dataset_words(options), "--users", options.fairness_users, "--think", 0, "--closed", "--ramp", 0.5,
             "--warm-up", 1, "--seconds", options.fairness_seconds, "--seed", options.seed, "--keys", options.keys]
    mix = shares or options.mix
    words += ["--mix", mix] if mix else []
    for service in services:
        words += ["--node", f"127.0.0.1:{service.port}"]
    load = Load(directory, *words, *processes)
    report = load.finish(patience(options, options.fairness_seconds))
    names = report["series"]["processes"]
    mine = [i for i, name in enumerate(names) if name.startswith("metad")]
    seconds = [s for s in report["series"]["seconds"] if s["answers"] > 0][1:-1]
    busy = sum(second["cpu"][i] for second in seconds for i in mine)
    answers = sum(second["answers"] for second in seconds)
    report["cpu_ms_per_1000"] = busy * 1e6 / max(answers, 1)
    everybody = sum(sum(second["cpu"][:names.index("colony-load")]) for second in seconds)
    report["all_cpu_ms_per_1000"] = everybody * 1e6 / max(answers, 1)
    return report


def plain_file(options, shares, prologue=""):
    directory = pathlib.Path(tempfile.mkdtemp(prefix="colony-load."))
    service = None
    try:
        path = prepared(directory / "app.db", options)
        with contextlib.closing(sqlite3.connect(path)) as db:
            db.executescript(prologue)
        service = Service(path, service_words(options), extension=None)
        service.start()
        return saturate(options, shares, [service], ["--process", f"metad={path}.metad.pid"], directory)
    finally:
        if service is not None:
            service.kill()
        shutil.rmtree(directory, ignore_errors=True)


def with_triggers(options, shares):
    return plain_file(options, shares, (staging.TOP / "tests/load/row_copy_triggers.sql").read_text())


def with_colony(nodes):
    def variant(options, shares):
        stage = Stage(options, nodes)
        try:
            stage.start()
            return concluded(stage, saturate(options, shares, stage.services, stage.processes(), stage.directory))
        finally:
            stage.remove()
    return variant


VARIANTS = {
    PLAIN: plain_file,
    "row-copy triggers, nothing shipped": with_triggers,
    "Colony, one node with its sidecar": with_colony(1),
    "Colony, four nodes, all with users": with_colony(4),
}
