"""The soak's command line: see tests/soak.sh --help."""

import argparse
import json
import pathlib
import random
import shutil
import signal
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "cluster")]

import faults  # noqa: E402
import report  # noqa: E402
import tampering  # noqa: E402
from audit import Finding  # noqa: E402
from conductor import Conductor  # noqa: E402
from machines import Colony  # noqa: E402
from network import CannotCut, network  # noqa: E402

LINE_EVERY_S = 10
ROUND_S_MAX = 60


class Progress:
    """One line that changes on a terminal; elsewhere a line every ten seconds."""

    def __init__(self):
        self.terminal = sys.stderr.isatty()
        self.begin = time.monotonic()
        self.latest = -LINE_EVERY_S

    def __call__(self, words, always=False):
        now = time.monotonic() - self.begin
        if self.terminal:
            if always or now - self.latest > 0.2:
                sys.stderr.write(f"\r\033[K{now:5.0f} s  {words}"[:shutil.get_terminal_size().columns + 4])
                sys.stderr.flush()
                self.latest = now
        elif always or now - self.latest >= LINE_EVERY_S:
            print(f"{now:5.0f} s  {words}", file=sys.stderr, flush=True)
            self.latest = now

    def done(self):
        if self.terminal:
            sys.stderr.write("\r\033[K")


def options():
    parser = argparse.ArgumentParser(prog="soak.sh", add_help=False)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", default=None)
    parser.add_argument("--nodes", type=int, default=4)
    parser.add_argument("--rate", type=float, default=12)
    parser.add_argument("--network", choices=("auto", "namespaces", "loopback"), default="auto")
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--all-faults", action="store_true")
    parser.add_argument("--plan", action="store_true")
    parser.add_argument("--self-test", action="store_true")
    chosen = parser.parse_args()
    if not 2 <= chosen.nodes <= 26 or not 0 < chosen.minutes <= 100_000 or not 0.1 <= chosen.rate <= 1000:
        parser.error("--nodes is 2 to 26, --minutes above 0, --rate 0.1 to 1000")
    if chosen.seed is None:
        chosen.seed = str(random.SystemRandom().randrange(10**6))
    chosen.round_s = min(ROUND_S_MAX, chosen.minutes * 60 / (1 if chosen.self_test else 2))
    return chosen


def choose_faults(chosen, can_cut):
    """Sets what is not injected, and why."""
    chosen.version = report.server_version()
    old = report.is_old(chosen.version) and not chosen.all_faults
    chosen.without = faults.left_out(can_cut, not old)
    chosen.why_without = [f"nats-server {chosen.version} would come to disagree if a server were cut off"] * old
    if chosen.self_test:
        chosen.without = {*faults.SERVERS, *faults.LINKS, *faults.PROCESSES}


def print_plan(chosen, names):
    choose_faults(chosen, chosen.network != "loopback")
    print(f"seed {chosen.seed}, nats-server {chosen.version}: {chosen.minutes:g} minutes of faults")
    for fault in faults.schedule(chosen.seed, names, ["s1", "s2", "s3"], chosen.without, chosen.minutes * 60):
        print(f"{fault}  ({faults.WHAT_THEY_ARE[fault.kind]})")


def soak(chosen, names, directory, say):
    """The exit code."""
    begin = time.monotonic()
    net, why = network(chosen.network)
    choose_faults(chosen, net.can_cut)
    colony = conductor = None
    try:
        colony = Colony(directory, net, names, chosen.seed, chosen.rate)
        conductor = Conductor(colony, net, chosen, say)
        try:
            conductor.run()
        except AssertionError as error:
            conductor.findings.append(Finding("stopped", None, str(error)))
        proven = True
        if chosen.self_test and not conductor.findings:
            proven = tampering.prove(conductor, say)
        say.done()
        figures = report.figures(conductor, chosen, net, why, time.monotonic() - begin)
        if chosen.json:
            pathlib.Path(chosen.json).write_text(json.dumps(figures, indent=2) + "\n")
        print(report.text(figures), flush=True)
        if chosen.self_test:
            print("all damage was found" if proven and not conductor.findings else "not all damage was found")
        return 0 if proven and not conductor.findings else 1
    finally:
        say.done()
        if colony is not None:
            colony.close()


def main():
    chosen = options()
    names = [chr(ord("a") + n) for n in range(chosen.nodes)]
    if chosen.plan:
        print_plan(chosen, names)
        return 0
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    directory = pathlib.Path(tempfile.mkdtemp(prefix="colony-soak."))
    code = 2
    try:
        print(f"soak.sh: seed {chosen.seed}, in {directory}", file=sys.stderr, flush=True)
        code = soak(chosen, names, directory, Progress())
    except (CannotCut, OSError) as error:
        print(f"soak.sh: {error}", file=sys.stderr)
    finally:
        if chosen.keep or code == 1:
            print(f"soak.sh: databases, journals and logs are left in {directory}", file=sys.stderr)
        else:
            shutil.rmtree(directory, ignore_errors=True)
    return code


sys.exit(main())
