"""Runs the cluster tests, some at a time, each in a process and a directory of its own.

Prints a line per test, what a failed one said with the end of its logs, and at last
`N passed, N failed`. A test that cannot run here is named with its reason.
"""

import argparse
import ctypes
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
LOG_LINES = 25
# The longest first: what starts last decides when all is over.
LONGEST_FIRST = ("broker_cluster", "chaos", "large_transaction", "long_offline", "sidecars_killed", "broker_killed",
                 "slow_writer", "whole_transaction", "idle_", "sigterm")


_libc = ctypes.CDLL(None)


def die_with_parent():
    _libc.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def all_tests(suite):
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from all_tests(test)
        else:
            yield test


def name_of(test):
    return re.sub(r"^.*\.test_", "", test)


def session_only(test):
    """Why it is about session mode alone, if it is."""
    method = getattr(test, test._testMethodName, None)
    return getattr(method, "session_only", None) or getattr(test, "session_only", None)


def rank(test):
    return next((i for i, part in enumerate(LONGEST_FIRST) if part in test), len(LONGEST_FIRST))


class Running:
    def __init__(self, test, work, tests, capture):
        self.test, self.begin = test, time.monotonic()
        self.directory = pathlib.Path(tempfile.mkdtemp(dir=work))
        self.output = self.directory / "output"
        environment = dict(os.environ, COLONY_TEST_CAPTURE=capture, TMPDIR=str(self.directory), COLONY_TEST_RUNNER="1",
                           PYTHONPATH=f"{HERE}:{tests}", PYTHONDONTWRITEBYTECODE="1", HOME=str(self.directory))
        with open(self.output, "wb") as output:
            self.process = subprocess.Popen([sys.executable, "-m", "unittest", test], env=environment, stdout=output,
                                            stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                            preexec_fn=die_with_parent)

    def name(self):
        return name_of(self.test)

    def verdict(self):
        said = self.output.read_text(errors="replace")
        took = time.monotonic() - self.begin
        if self.process.returncode != 0:
            print(f"FAIL {self.name()} ({took:.1f} s)\n{said}")
            for log in sorted(self.directory.glob("**/*.log")):
                lines = log.read_text(errors="replace").splitlines()
                lines = [line for line in lines if "[INF]" not in line][-LOG_LINES:]
                print("\n".join([f"--- {log.relative_to(self.directory)}"] + [line[:400] for line in lines]))
            return "failed"
        skipped = re.search(r"skipped=[1-9]", said)
        reason = re.search(r"^SKIP (.*)$", said, re.M)
        print(f"{'skip' if skipped else 'ok  '} {self.name()} ({took:.1f} s)" + (f": {reason[1]}" if reason else ""))
        for line in re.findall(r"^NOTE (.*)$", said, re.M):
            print(f"     {line}")
        return "skipped" if skipped else "passed"


def main():
    parser = argparse.ArgumentParser(prog="run.sh", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="a test, or a part of its name (default: all)")
    parser.add_argument("--list", action="store_true", help="print the names and end")
    parser.add_argument("--directory", type=pathlib.Path, default=HERE, help="where the tests are (default: here)")
    parser.add_argument("--jobs", type=int, default=2, help="tests at a time (default 2)")
    parser.add_argument("--timeout", type=float, default=180, help="seconds for one test (default 180)")
    parser.add_argument("--capture", choices=("session", "wal", "mixed"), default="session",
                        help="how the nodes' programs are captured; mixed: every second node by wal")
    parser.add_argument("--keep", action="store_true", help="leave the directories, and print where")
    options = parser.parse_args()
    sys.path.insert(0, str(HERE))
    loader = unittest.TestLoader()
    directory = options.directory.resolve()
    tests = list(all_tests(loader.discover(str(directory))))
    if loader.errors:
        sys.exit("\n".join(loader.errors))
    wanted = [name.replace("-", "_") for name in options.names]
    tests = [test for test in tests if not wanted or any(name in test.id() for name in wanted)]
    if options.capture != "session":
        for test in tests:
            if session_only(test):
                print(f"     not {name_of(test.id())}: {session_only(test)}")
        tests = [test for test in tests if not session_only(test)]
    tests = sorted((test.id() for test in tests), key=rank)
    if options.list or not tests:
        print("\n".join(sorted(name_of(test) for test in tests)) or f"no such test: {wanted}")
        sys.exit(not tests)

    count = {"passed": 0, "failed": 0, "skipped": 0}
    work = tempfile.mkdtemp(prefix="colony-cluster.")
    running = []

    def finish():
        for job in running:
            job.process.kill()  # and with it, by the kernel, all that it started
        for job in running:
            job.process.wait()
        if options.keep:
            print(f"left in {work}")
        else:
            shutil.rmtree(work, ignore_errors=True)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    try:
        while tests or running:
            while tests and len(running) < options.jobs:
                running.append(Running(tests.pop(0), work, directory, options.capture))
            for job in list(running):
                if job.process.poll() is None and time.monotonic() - job.begin > options.timeout:
                    job.process.kill()
                    with open(job.output, "a") as output:
                        output.write(f"\nstopped after {options.timeout} s\n")
                    job.process.wait()
                if job.process.poll() is not None:
                    running.remove(job)
                    count[job.verdict()] += 1
                    sys.stdout.flush()
                    if not options.keep:
                        shutil.rmtree(job.directory, ignore_errors=True)
            time.sleep(0.02)
    finally:
        finish()
    if count["skipped"]:
        print(f"{count['skipped']} could not run here, see above")
    print(f"{count['passed']} passed, {count['failed']} failed")
    sys.exit(count["failed"] != 0 or count["passed"] == 0)


if __name__ == "__main__":
    main()
