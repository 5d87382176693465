"""Processes of a test: run to their end, or started, and ended by their pid.

Each is a child that the kernel kills when the test's process ends, however that comes
about; start them from the main thread only, since it is that thread's end that counts.
Nothing here sleeps for luck: until() looks for a condition until a deadline.
"""

import ctypes
import multiprocessing
import os
import pathlib
import shutil
import signal
import subprocess
import time

BIN = pathlib.Path(os.environ.get("BUILD", "build/release")).resolve() / "bin"
COLONY = str(BIN / "colony")
EXTENSION = str(BIN / "colony.so")
SQLITE = "/usr/bin/sqlite3"
NATS_SERVER = os.environ.get("NATS_SERVER") or shutil.which("nats-server", path=os.environ["PATH"] + ":/usr/sbin")
PATIENCE_S = 60

_libc = ctypes.CDLL(None)
_fork = multiprocessing.get_context("fork")


def _die_with_parent():
    _libc.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def until(condition, what, timeout=PATIENCE_S, every=0.01):
    """The first true answer of condition(); fails with `what`, a text or what gives one."""
    end = time.monotonic() + timeout
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"not within {timeout} s: {what() if callable(what) else what}")
        time.sleep(every)


def run(*words, timeout=PATIENCE_S, **more):
    """Runs a command to its end; returncode, stdout and stderr as text."""
    return subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=timeout,
                          stdin=None if "input" in more else subprocess.DEVNULL, **more)


def app(work, *arguments):
    """work(*arguments) in a process of its own, as an app runs."""
    def body():
        _die_with_parent()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        work(*arguments)
    process = _fork.Process(target=body, daemon=True)
    process.start()
    return process


def finished(apps, timeout=PATIENCE_S * 2):
    for process in apps:
        process.join(timeout)
        if process.exitcode != 0:
            raise AssertionError(f"an app ended with {process.exitcode} (None: it did not end)")


class Child:
    """A process: started, and ended by its pid."""

    def __init__(self, log):
        self.log = pathlib.Path(log)
        self.process = None

    def launch(self, words, **more):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([str(word) for word in words], stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, preexec_fn=_die_with_parent, **more)

    @property
    def pid(self):
        return self.process.pid

    def runs(self):
        return self.process is not None and self.process.poll() is None

    def end(self, signal_number, timeout=20):
        """Signals, waits, and gives the exit code."""
        if self.process is None:
            return None
        if self.runs():
            self.process.send_signal(signal_number)
        return self.process.wait(timeout)

    def kill(self):
        self.end(signal.SIGKILL)

    def said(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""
