"""One soak: rounds of faults while apps write, and a quiet point after each, where the
colony must come to rest and everything is compared."""

import collections
import itertools
import json
import signal
import time

import faults
from audit import Audit, Finding, Journal
from injector import Injector
from processes import until

REST_S_MAX = 120
HEALTHY_S_MAX = 60


class Conductor:
    """run() gives the findings; the rest of what is to be reported is in its fields."""

    def __init__(self, colony, network, options, say):
        self.colony, self.network, self.options, self.say = colony, network, options, say
        self.injector = Injector(colony, network)
        self.audit = Audit(colony.seed_database, [Journal(app.journal, app.node.name, app.name) for app in colony.apps])
        self.lanes = faults.lanes(options.seed, [node.name for node in colony.nodes],
                                  [server.name for server in colony.servers], options.without)
        self.upcoming = {name: fault for name, lane in self.lanes.items() if (fault := next(lane, None))}
        self.lag = dict.fromkeys(self.lanes, 0.0)  # by how much a lane is late, since it had to wait
        self.active = []
        self.injected = collections.Counter()
        self.fault_time = 0.0
        self.findings = []
        self.quiet_points = 0
        self.slowest_rest = 0.0
        self.dumps = {}

    def run(self):
        self.colony.start()
        begin = time.monotonic()
        end = begin + self.options.minutes * 60
        rounds = max(1, round(self.options.minutes * 60 / self.options.round_s))
        for number in range(1, rounds + 1):
            until_time = begin + number * self.options.round_s if number < rounds else end
            self._trouble(until_time)
            self._quiet()
            if self.findings:
                break
        return self.findings

    # A round of faults.
    def _trouble(self, end):
        for child in self.colony.apps + self.colony.readers:
            child.start()
        self.healthy_at = time.monotonic()
        latest = time.monotonic()
        while (now := time.monotonic()) < end:
            self.fault_time += now - latest
            latest = now
            self._end_faults(now)
            for name in self.lanes:
                self._begin_fault(name, now)
            self._check_processes()
            self.say(f"{sum(self.injected.values())} faults"
                     f"{'; now ' if self.active else ''}{', '.join(f'{f.kind} {f.target}' for f in self.active)}")
            time.sleep(0.05)
        self._end_faults(None)

    def _begin_fault(self, name, now):
        fault = self.upcoming.get(name)
        if fault is None or fault.at + self.lag[name] > self.fault_time or any(f.lane == name for f in self.active):
            return
        if name == "servers" and not self._servers_are_well(now):
            self.lag[name] = self.fault_time - fault.at
            return
        self.injector.begin(fault)
        self.injected[fault.kind] += 1
        fault.end = now + fault.seconds
        self.active.append(fault)
        self.upcoming[name] = next(self.lanes[name])

    def _servers_are_well(self, now):
        """A majority must be up to date, or the next fault could take the only copy of an entry."""
        if now < self.healthy_at:
            return False
        self.healthy_at = now + 0.5
        return not self.colony.ailing()

    def _end_faults(self, now):
        for fault in [f for f in self.active if now is None or f.end <= now]:
            self.active.remove(fault)
            self.injector.end(fault)

    def _check_processes(self):
        """Whoever has ended without having been told to has failed."""
        told = {fault.target for fault in self.active if fault.kind.endswith(("killed", "restarted"))}
        for child in self.colony.servers + self.colony.nodes:
            if child.name not in told and not child.runs():
                raise AssertionError(f"{child.name} has ended by itself: {child.said()[-1500:]}")
        for app in self.colony.apps:
            if app.node.name not in told and not app.runs():
                raise AssertionError(f"the app {app.name} has ended by itself: {app.said()[-1500:]}")
        for reader in self.colony.readers:
            if not reader.runs():
                raise AssertionError(reader.said()[-1500:])

    # A quiet point.
    def _quiet(self):
        self.say("quiet point: the apps end", always=True)
        self._end_apps()
        begin = time.monotonic()
        try:
            self._rest()
        except AssertionError as error:
            self.findings.append(Finding("no rest", None, str(error)))
        rest = time.monotonic() - begin
        self.slowest_rest = max(self.slowest_rest, rest)
        self.say(f"quiet point: at rest after {rest:.1f} s, reading the log", always=True)
        self.audit.read_journals()
        end = self.colony.log_end()
        self.audit.read_log(self.colony.messages(self.audit.reader.sequence + 1, end))
        self.findings += self.audit.findings + list(self.audit.missing())
        self.dumps = {node.name: node.dump() for node in self.colony.nodes}
        for name, dump in self.dumps.items():
            self.findings += itertools.islice(self.audit.compare(name, dump), 100)
            if dump["(integrity)"] != [("ok",)]:
                self.findings.append(Finding("damaged", None, f"node {name}: {dump['(integrity)'][:3]}"))
        self.quiet_points += 1
        self.say(f"quiet point {self.quiet_points}: {self.audit.transactions} transactions in the log, "
                 f"{len(self.findings)} findings", always=True)

    def _end_apps(self):
        for child in self.colony.apps + self.colony.readers:
            child.process.send_signal(signal.SIGTERM)
        for child in self.colony.apps + self.colony.readers:
            code = child.process.wait(60)
            if code not in (0, -signal.SIGTERM):  # the latter: started a moment ago
                raise AssertionError(f"{child.log.name} of node {child.node.name}: ended with {code}: "
                                     f"{child.said()[-1500:]}")

    def _rest(self):
        until(lambda: not self.colony.ailing(), lambda: f"the servers are well: {self.colony.ailing()}",
              timeout=HEALTHY_S_MAX, every=0.2)
        for _ in range(2):  # the log is complete after the first round, and read after the second
            for node in self.colony.nodes:
                done = node.colony("wait", "--timeout", REST_S_MAX, timeout=REST_S_MAX + 30)
                if done.returncode != 0:
                    raise AssertionError(f"wait of node {node.name} gives {done.returncode}: {done.stderr.strip()} "
                                         f"{json.dumps(node.status())}")
        done = self.colony.nodes[self.quiet_points % len(self.colony.nodes)].colony(
            "verify", "--timeout", 60, timeout=90)
        if done.returncode != 0:
            self.findings.append(Finding("verify", None, f"gives {done.returncode}: {done.stdout}{done.stderr}"))
