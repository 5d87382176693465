"""Kills real processes at every named step of the sidecar, the commands and the
extension, starts them again, and looks whether everything that was committed is still
there, nothing is there twice, all nodes have the same rows, and every file is whole.

Each cell is a colony of three or four nodes with apps that write crossing updates. The
steps are those that the binaries name; a step that is in the source and in no binary,
or that no scenario reaches, is a failure. The last line is `N passed, N failed`.
"""

import argparse
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path[:0] = [str(HERE), str(HERE.parent / "cluster")]

import scenarios
from colony_cluster import Broker
from processes import BIN, _die_with_parent, _fork

NORMAL = pathlib.Path(os.environ["COLONY_NORMAL_BUILD"]).resolve() / "bin"
SECTION = "colony_steps"
CELL_S = 100


def steps_of(binary):
    """The names in its section."""
    with tempfile.NamedTemporaryFile() as out:
        subprocess.run(["objcopy", "-O", "binary", f"--only-section={SECTION}", f"--set-section-flags={SECTION}=alloc",
                        str(binary), out.name], check=True)
        return sorted(name.decode() for name in pathlib.Path(out.name).read_bytes().split(b"\0") if name)


def steps_in_source():
    found = []
    for folder in ("replicator", "sqlite_ext"):
        for path in (ROOT / folder).rglob("*.cpp"):
            found += re.findall(r'COLONY_STEP\("([^"]+)"\)', path.read_text())
    return sorted(found)


def check_normal_binaries(steps):
    """What is shipped carries nothing of this."""
    for name in ("colony", "colony.so"):
        path = NORMAL / name
        sections = subprocess.run(["readelf", "-SW", str(path)], capture_output=True, text=True, check=True).stdout
        symbols = subprocess.run(["nm", "-C", str(path)], capture_output=True, text=True, check=True).stdout
        content = path.read_bytes()
        assert SECTION not in sections, f"{path} has the section {SECTION}"
        assert "pass_step" not in symbols, f"{path} has a function that stops it"
        there = [word for word in [*steps, "COLONY_CRASH_STEP"] if word.encode() + b"\0" in content]
        assert not there, f"{path} has the strings {there}"
        carried = subprocess.run(["readelf", "-SW", str(BIN / name)], capture_output=True, text=True, check=True).stdout
        assert SECTION in carried, f"{BIN / name} has no steps: this test would see nothing"


def check_steps(steps):
    source = steps_in_source()
    twice = {name for name in source if source.count(name) > 1}
    assert not twice, f"named twice: {twice}"
    assert source == steps, f"not both in the source and in a binary: {set(source) ^ set(steps)}"
    lost = [step for step in steps if not scenarios.scenario_of(step)]
    assert not lost, f"no scenario reaches {lost}"


class Cell:
    def __init__(self, step, reached, port, work):
        self.step = step
        self.scenario, self.passings = reached
        self.port = port
        self.work = work
        self.took = 0.0
        self.verdict = None

    def start(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(dir=self.work))
        self.output = self.directory / "output"
        self.begin = time.monotonic()
        self.process = _fork.Process(target=self.body)
        self.process.start()

    def body(self):
        _die_with_parent()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        with open(self.output, "w") as output:
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
            tempfile.tempdir = str(self.directory)
            code = 0
            try:
                self.scenario(self.port, self.name(), self.step, self.passings)
            except BaseException:
                traceback.print_exc()
                code = 1
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def name(self):
        """Of its colony: each its own on the broker."""
        mode = "-log" if self.scenario.__name__.endswith("_from_log") or "missed" in self.scenario.__name__ else ""
        return self.step.replace(".", "-").replace("_", "-")[:28 - len(mode)] + mode

    def has_ended(self):
        if self.process.exitcode is None and time.monotonic() - self.begin > CELL_S:
            self.process.kill()
            self.process.join()
        if self.process.exitcode is None:
            return False
        self.took = time.monotonic() - self.begin
        self.verdict = self.process.exitcode == 0
        return True

    def line(self):
        passings = " and ".join(str(passing) for passing in self.passings)
        return f"{'ok  ' if self.verdict else 'FAIL'} {self.step:28} {self.scenario.__name__:16} killed at passing {passings:8} ({self.took:.1f} s)"

    def why(self):
        said = self.output.read_text(errors="replace")
        for log in sorted(self.directory.glob("**/*.log")):
            lines = [line for line in log.read_text(errors="replace").splitlines() if "[INF]" not in line][-8:]
            said += "\n".join([f"--- {log.relative_to(self.directory)}"] + [line[:300] for line in lines]) + "\n"
        return said


def run_cells(cells, jobs):
    waiting, running = list(cells), []
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                running.append(waiting.pop(0))
                running[-1].start()
            for cell in list(running):
                if not cell.has_ended():
                    continue
                running.remove(cell)
                yield cell
                shutil.rmtree(cell.directory, ignore_errors=True)
            time.sleep(0.02)
    finally:
        for cell in running:
            cell.process.kill()
            cell.process.join()


def main():
    parser = argparse.ArgumentParser(prog="run.sh", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="STEP", help="a step, or a part of its name (default: all)")
    parser.add_argument("--list", action="store_true", help="print the steps with how they are reached, and end")
    parser.add_argument("--table", action="store_true", help="print a line for each step; else only for those that fail")
    parser.add_argument("--jobs", type=int, default=3, help="colonies at a time (default 3)")
    options = parser.parse_args()

    steps = sorted(steps_of(BIN / "colony") + steps_of(BIN / "colony.so"))
    check_normal_binaries(steps)
    check_steps(steps)
    wanted = [step for step in steps if not options.names or any(name in step for name in options.names)]
    reached = [(step, way) for step in wanted for way in scenarios.ways_to(step)]
    if options.list or not wanted:
        for step, (scenario, passings) in reached:
            print(f"{step:28} {scenario.__name__:15} passings {', '.join(map(str, passings))}")
        sys.exit(not wanted)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    work = tempfile.mkdtemp(prefix="colony-crash.")
    os.environ["TMPDIR"] = work
    broker = Broker(pathlib.Path(work) / "broker")
    count = {True: 0, False: 0}
    kills = 0
    try:
        broker.start()
        for cell in run_cells([Cell(*way, broker.port, work) for way in reached], options.jobs):
            count[cell.verdict] += 1
            kills += len(cell.passings)
            if options.table or not cell.verdict:
                print(cell.line())
            if not cell.verdict:
                print(cell.why())
            sys.stdout.flush()
    finally:
        broker.kill()
        shutil.rmtree(work, ignore_errors=True)
    print(f"{len(wanted)} steps, {kills} kills")
    print(f"{count[True]} passed, {count[False]} failed")
    sys.exit(count[False] != 0)


if __name__ == "__main__":
    main()
