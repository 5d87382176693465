"""Makes faults happen, and ends them."""

import os
import signal

from faults import CLOCK_SECONDS_MAX

class Injector:
    """begin(fault) at its time, end(fault) after its seconds; both return at once."""

    def __init__(self, colony, network):
        self.colony, self.network = colony, network
        self.members = {member.name: member for member in colony.servers + colony.nodes}

    def begin(self, fault):
        getattr(self, "_" + fault.kind)(fault, self.members[fault.target])

    def end(self, fault):
        for undo in reversed(fault.undo):
            undo()
        fault.undo = []

    def _then(self, fault, *undo):
        fault.undo = list(undo)

    # Servers.
    def _others(self, server):
        return [other for other in self.colony.servers if other is not server]

    def _server_killed(self, fault, server):
        server.kill()
        self._then(fault, server.start)

    def _server_restarted(self, fault, server):
        os.kill(server.pid, signal.SIGINT)
        self._then(fault, lambda: (server.end(signal.SIGKILL), server.start()))

    def _frozen(self, fault, child):
        os.kill(child.pid, signal.SIGSTOP)
        self._then(fault, lambda: os.kill(child.pid, signal.SIGCONT))

    _server_frozen = _frozen

    def _server_cut(self, fault, server):
        self.network.cut(server.host)
        self._then(fault, lambda: self.network.uncut(server.host))

    def _lose(self, fault, pairs):
        """What each first host sends to the second is lost."""
        for sender, receiver in pairs:
            self.network.deaf(sender, receiver)
        self._then(fault, *[lambda s=sender, r=receiver: self.network.undeaf(s, r) for sender, receiver in pairs])

    def _server_split(self, fault, server):
        others = self._others(server)
        self._lose(fault, [(server.host, other.host) for other in others]
                   + [(other.host, server.host) for other in others])

    def _server_deaf(self, fault, server):
        pairs = [(server.host, other.host) for other in self._others(server)]
        self._lose(fault, pairs if fault.extra < 0.5 else [(to, sender) for sender, to in pairs])

    def _slow(self, fault, member):
        self.network.slow(member.host)
        self._then(fault, lambda: self.network.unslow(member.host))

    _server_slow = _node_slow = _slow

    # Links of nodes.
    def _node_cut(self, fault, node):
        self.network.cut(node.host)
        self._then(fault, lambda: self.network.uncut(node.host))

    def _node_mute(self, fault, node):
        self._lose(fault, [(node.host, server.host) for server in self.colony.servers])

    def _node_deaf(self, fault, node):
        self._lose(fault, [(server.host, node.host) for server in self.colony.servers])

    def _node_blinks(self, fault, node):
        for _ in range(3):
            self.network.cut(node.host)
            self.network.uncut(node.host)
        self._node_cut(fault, node)

    # Processes of nodes.
    def _sidecar_killed(self, fault, node):
        node.kill()
        self._then(fault, node.start)

    def _sidecar_restarted(self, fault, node):
        os.kill(node.pid, signal.SIGTERM)
        self._then(fault, lambda: (self._ended_well(node), node.start()))

    def _ended_well(self, node):
        code = node.process.wait(30)
        if code != 0:
            raise AssertionError(f"the sidecar of {node.name} ended with {code} on SIGTERM: {node.said()[-500:]}")

    _sidecar_frozen = _frozen

    def _app_of(self, fault, node):
        apps = [app for app in self.colony.apps if app.node is node]
        return apps[int(fault.extra * len(apps))]

    def _app_killed(self, fault, node):
        app = self._app_of(fault, node)
        app.kill_all()
        self._then(fault, app.start)

    def _app_frozen(self, fault, node):
        app = self._app_of(fault, node)
        app.signal_all(signal.SIGSTOP)
        self._then(fault, lambda: app.signal_all(signal.SIGCONT))

    # A clock stays as it was set until it is set again.
    def _clock_back(self, fault, node):
        # From seconds to weeks: the same share of times for each order of magnitude.
        node.clock.turn(-(CLOCK_SECONDS_MAX ** fault.extra))
        self._then(fault)

    def _clock_forward(self, fault, node):
        node.clock.turn(CLOCK_SECONDS_MAX ** fault.extra)
        self._then(fault)
