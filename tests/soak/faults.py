"""Which faults, when, and to whom: drawn from the seed before anything runs.

Three lanes run side by side, and within a lane one fault follows the other:
  servers    what befalls one of the three servers. One at a time: two of three must be
             well for the log to go on, and for nothing to be lost
  links      what befalls the network of a node
  processes  what befalls a node's sidecar, apps or clock
"""

import itertools
import random

# kind: (how often, seconds at least, at most)
SERVERS = {
    "server_killed": (3, 0.3, 10), "server_frozen": (2, 0.5, 12), "server_restarted": (1, 0.1, 2),
    "server_cut": (2, 1, 15), "server_split": (2, 1, 15), "server_deaf": (2, 1, 12), "server_slow": (1, 2, 8),
}
LINKS = {
    "node_cut": (3, 1, 15), "node_mute": (2, 1, 12), "node_deaf": (2, 1, 12), "node_blinks": (1, 1, 3),
    "node_slow": (2, 2, 10),
}
PROCESSES = {
    "sidecar_killed": (4, 0, 6), "sidecar_frozen": (2, 0.5, 10), "sidecar_restarted": (1, 0, 2),
    "app_killed": (4, 0, 1), "app_frozen": (2, 0.2, 3), "clock_back": (2, 0, 0), "clock_forward": (1, 0, 0),
}
NEEDS_A_NETWORK = ("server_cut", "server_split", "server_deaf", "server_slow", *LINKS)
# A leader that lives and does not hear the others: nats-servers before 2.10 then come to
# disagree about the log (docs/reliability.md).
SEPARATES_A_SERVER = ("server_cut", "server_split", "server_deaf", "server_frozen")
CLOCK_SECONDS_MAX = 30 * 86400

WHAT_THEY_ARE = {
    "server_killed": "kill -9, started again after a while",
    "server_frozen": "SIGSTOP, SIGCONT",
    "server_restarted": "SIGINT, as an upgrade does",
    "server_cut": "from everybody",
    "server_split": "from the other servers; nodes reach it",
    "server_deaf": "does not get, or cannot send, what passes between it and the other servers: one way",
    "server_slow": "what it sends is delayed",
    "node_cut": "from all servers, silently",
    "node_mute": "what it sends is lost, what it is sent arrives: one way",
    "node_deaf": "the other way",
    "node_blinks": "cut four times, shortly",
    "node_slow": "what it sends is delayed",
    "sidecar_killed": "kill -9, started again after a while",
    "sidecar_frozen": "SIGSTOP, SIGCONT",
    "sidecar_restarted": "SIGTERM",
    "app_killed": "kill -9, in a transaction or not",
    "app_frozen": "SIGSTOP, in a transaction or not: then with the write lock",
    "clock_back": "of the node's sidecar and apps, by up to 30 days; it stays so",
    "clock_forward": "likewise",
}


class Fault:
    """at: seconds of fault time, which stands still at quiet points."""

    def __init__(self, at, lane, kind, target, seconds, extra):
        self.at, self.lane, self.kind, self.target = at, lane, kind, target
        self.seconds, self.extra = seconds, extra

    def __str__(self):
        return f"{self.at:8.1f} s  {self.kind:18} {self.target:4} for {self.seconds:4.1f} s"


def lane(seed, name, kinds, targets):
    """Its faults, without end."""
    dice = random.Random(f"{seed} {name}")
    names = list(kinds)
    weights = [kinds[kind][0] for kind in names]
    at = 1 + dice.random() * 3
    while names:
        kind = dice.choices(names, weights)[0]
        _, least, most = kinds[kind]
        # Many short ones, and a long one now and then.
        seconds = least + (most - least) * dice.random() ** 2
        yield Fault(at, name, kind, dice.choice(targets), seconds, dice.random())
        at += seconds + 0.5 + dice.expovariate(1 / 2.5)


def left_out(can_cut, may_separate):
    """Kinds that are not injected."""
    return {*(() if can_cut else NEEDS_A_NETWORK), *(() if may_separate else SEPARATES_A_SERVER)}


def lanes(seed, nodes, servers, without):
    """Name -> iterator of faults of all kinds but those in `without`."""
    def possible(kinds):
        return {kind: odds for kind, odds in kinds.items() if kind not in without}
    return {"servers": lane(seed, "servers", possible(SERVERS), servers),
            "links": lane(seed, "links", possible(LINKS), nodes),
            "processes": lane(seed, "processes", possible(PROCESSES), nodes)}


def schedule(seed, nodes, servers, without, seconds):
    """All faults of so much fault time, in their order."""
    drawn = [itertools.takewhile(lambda fault: fault.at < seconds, faults)
             for faults in lanes(seed, nodes, servers, without).values()]
    return sorted(itertools.chain(*drawn), key=lambda fault: fault.at)
