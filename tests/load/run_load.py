"""Loads a colony on this machine and reports: see run.sh."""

import argparse
import json
import os
import pathlib
import resource
import shlex
import signal
import subprocess
import sys
import time
import traceback

import phases
from phases import say
from report_page import page
from stage import TOP, Stage, machine

PHASES = {"headline": phases.headline, "knee": phases.knee, "kill": phases.kill, "direct": phases.direct}


def parse():
    parser = argparse.ArgumentParser(
        prog="tests/load/run.sh", formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        description="Loads a colony on this machine with users, and writes report.html and report.json.",
        epilog="Phases: headline, users at their pace; knee, faster and faster until the p99 is over the limit; kill, "
               "the last node dies in the middle and comes back; direct, users on the files without HTTP; fairness, "
               "the service at full speed on plain SQLite, with row-copy triggers, and on Colony.")
    add = parser.add_argument
    add("--users", type=int, default=100_000, help="users, each with a connection")
    add("--nodes", type=int, default=4)
    add("--seconds", type=float, default=120, help="measured seconds of headline, kill and direct")
    add("--think", type=float, default=10, help="seconds between two actions of a user, on average")
    add("--mix", default="", help="shares, such as read=80,list=10,write=8,cas=2")
    add("--keys", choices=("zipf", "uniform"), default="zipf")
    add("--phases", default="headline,knee,kill,direct,fairness")
    add("--out", default=str(TOP / "build/load"), help="directory for report.html and report.json")
    add("--ramp", type=float, default=0, help="seconds within which users come; 0: 4,000 a second")
    add("--capture", choices=("session", "wal"), default="session",
        help="session: programs load colony.so; wal: they know nothing of Colony")
    add("--brokers", type=int, choices=(1, 3), default=1)
    add("--threads", type=int, default=2, help="of each service")
    add("--processes", type=int, default=0, help="services of each node; 0: as many as the limit of open files takes")
    add("--group-ms", type=int, default=5, help="how long a service's writes wait for others")
    add("--values", type=int, default=100_000, help="shared values that there are")
    add("--objects", type=int, default=20_000, help="objects that there are")
    add("--knee-limit", type=float, default=250, help="milliseconds")
    add("--knee-factor", type=float, default=1.2, help="what a step multiplies the rate by")
    add("--knee-seconds", type=float, default=15, help="of a step")
    add("--fairness-users", type=int, default=128)
    add("--fairness-seconds", type=float, default=6)
    add("--fairness-rounds", type=int, default=3)
    add("--seed", type=int, default=1)
    add("--keep", action="store_true", help="leave the databases and logs, and say where")
    options = parser.parse_args()
    check_ranges(parser, options)
    options.phases = [name for name in options.phases.split(",") if name]
    unknown = set(options.phases) - set(PHASES) - {"fairness"}
    if unknown or not options.phases:
        parser.error(f"--phases: there is no {', '.join(sorted(unknown)) or 'phase'}")
    if not (1 <= options.nodes <= 26 and options.users >= options.nodes and options.seconds > 0 and options.think > 0):
        parser.error("--nodes from 1 to 26, at least one user for each, and times above 0")
    if "kill" in options.phases and options.nodes < 2:
        parser.error("--phases kill needs two nodes")
    return options


def check_ranges(parser, options):
    """What colony-load and metad would refuse, before anything is started for it."""
    ranges = {"users": (1, 4_000_000), "values": (1, 9_999_999), "objects": (20, 1_999_999), "threads": (1, 64),
              "group_ms": (0, 1000), "processes": (0, 1000), "seconds": (0.1, 1e6), "think": (0.001, 1e6), "ramp": (0, 1e6),
              "knee_limit": (0.001, 1e6), "knee_factor": (1.01, 10), "knee_seconds": (0.1, 1e6), "seed": (0, 2**63 - 1),
              "fairness_users": (1, 100_000), "fairness_seconds": (0.1, 1e6), "fairness_rounds": (1, 1000)}
    for name, (least, most) in ranges.items():
        if not least <= getattr(options, name) <= most:
            parser.error(f"--{name.replace('_', '-')} must be from {least} to {most:.15g}")
    try:
        shares = {name: float(share) for name, share in (part.split("=") for part in options.mix.split(",") if part)}
    except ValueError:
        parser.error(f"--mix {options.mix}: give shares, such as read=80,list=10,write=8,cas=2")
    if not set(shares) <= {"read", "list", "write", "cas"} or (shares and not 0 < sum(shares.values()) < 1e9) \
            or any(share < 0 for share in shares.values()):
        parser.error(f"--mix {options.mix}: shares of read, list, write and cas, not below 0 and not all 0")


# Open files that are no user's connection, of colony-load and of a service at most; and
# what a process must be able to open where the connections have to be shared out.
OWN_FILES, FILES_LEAST = 300, 512


def make_room(options):
    """Each connection is an open file, here and in a service, and processes inherit the limit.
    Where that is low, several processes share a node's users."""
    most_per_node = options.users if options.nodes == 1 else -(-options.users // max(options.nodes - 1, 1))
    fairness_users = options.fairness_users if "fairness" in options.phases else 0
    wanted = max(options.users + options.nodes, fairness_users) + OWN_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, max(hard, wanted)))
        except (ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            if hard < min(FILES_LEAST, wanted):
                raise OSError(f"a process may open {hard} files, and {wanted} are wanted: run it as root, or first "
                              f"`ulimit -n {wanted}` (if that is refused, raise nofile in /etc/security/limits.conf)")
    room = resource.getrlimit(resource.RLIMIT_NOFILE)[0] - OWN_FILES
    options.processes = options.processes or -(-most_per_node // room)
    if options.users > room:
        say(f"run.sh: a process may open {room + OWN_FILES} files: {options.processes} services a node, and "
            f"{-(-options.users // room)} processes for the users' connections")


def check_machine(options):
    """What would only show as odd figures later."""
    available_kib = int(next(line for line in open("/proc/meminfo") if line.startswith("MemAvailable")).split()[1])
    needed_gib = 1 + options.users * 20 / 2**20
    if available_kib / 2**20 < needed_gib:
        say(f"run.sh: {options.users} users want some {needed_gib:.0f} GiB of memory, and {available_kib / 2**20:.0f} are free")
    backlog = int(pathlib.Path("/proc/sys/net/core/somaxconn").read_text())
    if options.users > 10_000 and backlog < 1024:
        say(f"run.sh: net.core.somaxconn is {backlog}: users come slowly; `sysctl -w net.core.somaxconn=4096` mends it")


class Report:
    def __init__(self, options):
        self.out = pathlib.Path(options.out)
        self.out.mkdir(parents=True, exist_ok=True)
        self.document = {"command": " ".join(["tests/load/run.sh", *map(shlex.quote, sys.argv[1:])]),
                         "begun": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "machine": machine(),
                         "options": vars(options), "phases": {}, "ok": True}

    def add(self, name, result):
        self.document["phases"][name] = result
        self.document["ok"] = self.document["ok"] and bool(result.get("ok"))
        self.write()

    def write(self):
        (self.out / "report.json").write_text(json.dumps(self.document, indent=1) + "\n")
        (self.out / "report.html").write_text(page(self.document))


def attempt(report, name, work, stage=None):
    """A phase that fails is a part of the report, and the next one has its turn."""
    say(f"== {name}")
    begin = time.monotonic()
    try:
        if stage is not None:
            stage.mend()
        result = work()
    except Exception as error:  # pylint: disable=broad-except
        phases.end_all_loads()
        result = {"ok": False, "failure": str(error) or type(error).__name__, "trace": traceback.format_exc()}
        if stage is not None:
            result["last_words"] = stage.last_words()
        say(f"run.sh: {name} failed: {result['failure']}")
    result["took_s"] = round(time.monotonic() - begin, 1)
    report.add(name, result)


def ratios(rows):
    """Of everything to plain SQLite; that of plain SQLite to itself says nothing."""
    return "; ".join(f"{row['variant']}, {row['mix']}: {row['ratio_to_plain']}"
                     for row in rows if row["variant"] != phases.PLAIN)


def tell(report):
    for name, result in report.document["phases"].items():
        line = f"{name:<9} {'ok' if result['ok'] else 'FAILED'}"
        if result.get("failure"):
            line += f": {result['failure']}"
        elif name == "knee":
            line += f": {result['knee_rate']:.0f} actions/s ({result['knee_end']})"
        elif name == "fairness":
            line += ": " + ratios(result["rows"])
        else:
            totals, verdict = result["totals"], result["verdict"]
            line += (f": {totals['answers_per_s']:.0f}/s, p99 of reads {totals['reads']['p99_ms']:.1f} ms, of writes "
                     f"{totals['writes']['p99_ms']:.1f} ms, visible {totals['visible']['p99_ms']:.1f} ms; "
                     f"{totals['error_count']} errors; of {verdict['acknowledged']} acknowledged writes {verdict['lost']} lost; "
                     f"{verdict['corrupt']} rows corrupt")
        for target, found in result.get("targets", {}).items():
            if not found["met"]:
                line += f"\n          {target}: {found['measured_ms']} ms, MISSED (at most {found['at_most_ms']})"
        say(line)
    say(f"{report.out / 'report.html'} and report.json have the rest")


class Interrupted(BaseException):
    """A signal came; no phase is to take it for its own failure."""

    def __init__(self, number):
        super().__init__(f"interrupted by {signal.Signals(number).name}")
        self.number = number


def interrupt(number, _):
    """Only the first signal: what follows it must not be in the way of ending what runs."""
    for one in ENDING:
        signal.signal(one, signal.SIG_IGN)
    raise Interrupted(number)


ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def carry_out(options, report):
    stage = None
    try:
        wanted = [name for name in options.phases if name in PHASES]
        if wanted:
            say(f"== {options.nodes} nodes on {os.cpu_count()} cores")
            stage = Stage(options, options.nodes)
            stage.start()
            for name in wanted:
                attempt(report, name, lambda: PHASES[name](stage, options), stage)
            stage.remove()
            stage = None
        if "fairness" in options.phases:
            attempt(report, "fairness", lambda: phases.fairness(options))
    finally:
        phases.end_all_loads()
        if stage is not None:
            stage.remove()


def main():
    options = parse()
    for number in ENDING:
        signal.signal(number, interrupt)
    try:
        make_room(options)
        check_machine(options)
        report = Report(options)
    except OSError as error:
        say(f"run.sh: {error}")
        sys.exit(2)
    code = None
    try:
        carry_out(options, report)
    except Interrupted as error:
        if sys.stderr.isatty():
            print(file=sys.stderr)  # below colony-load's line of progress
        report.add("the rest", {"ok": False, "failure": str(error)})
        code = 128 + error.number
    except (AssertionError, OSError, RuntimeError, subprocess.SubprocessError) as error:
        report.add("setting up", {"ok": False, "failure": str(error).strip()})
        code = 2
    tell(report)
    sys.exit(code if code is not None else 0 if report.document["ok"] else 1)


if __name__ == "__main__":
    main()
