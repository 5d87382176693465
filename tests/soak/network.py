"""Hosts that can be cut off from each other: each a network namespace on a bridge.

The bridge and all hosts are in namespaces without names, held open by this process and
by what runs in them: the kernel removes them with the last of these, also when the
conductor is killed. Nothing in them reaches the machine's own network.

What cuts needs iproute2 and the plainest of kernels:
  cut     the host's port leaves the bridge: nothing passes, and nobody is told
  deaf    the host sends its frames for one peer to an address that nobody has, so that
          packets are lost in one direction and pass in the other
  slow    the host's interface delays (netem, where the kernel has it) or sends at a
          modem's rate (tbf)
All is to be called from the main thread: a namespace belongs to a thread.
"""

import ctypes
import os
import shutil
import socket
import subprocess

CLONE_NEWNET, CLONE_NEWUSER = 0x40000000, 0x10000000
NOBODY = "02:00:00:00:00:01"
_libc = ctypes.CDLL(None, use_errno=True)


class CannotCut(Exception):
    """Namespaces are not to be had here; the text says why."""


def _ip(*words, tool="ip"):
    done = subprocess.run([tool, *map(str, words)], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise CannotCut(f"{tool} {' '.join(map(str, words))}: {done.stderr.strip()}")


def _unshare(flags, what):
    if _libc.unshare(flags) != 0:
        raise CannotCut(f"{what}: {os.strerror(ctypes.get_errno())}")


def _enter(namespace):
    if _libc.setns(namespace, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def _become_root_of_a_user_namespace():
    user, group = os.getuid(), os.getgid()
    _unshare(CLONE_NEWUSER, "neither root nor a user namespace")
    for file, text in (("setgroups", "deny"), ("uid_map", f"0 {user} 1"), ("gid_map", f"0 {group} 1")):
        with open(f"/proc/self/{file}", "w") as map_file:
            map_file.write(text)


class Host:
    """One machine: its address, and the words before a command that shall run on it."""

    def __init__(self, name, address, namespace=None, link=None):
        self.name, self.address, self.namespace, self.link = name, address, namespace, link

    @property
    def prefix(self):
        if self.namespace is None:
            return []
        return ["nsenter", f"--net=/proc/{os.getpid()}/fd/{self.namespace}"]


class Loopback:
    """All on one loopback: nothing can be cut, ports differ instead."""

    can_cut = False
    can_delay = False
    name = "loopback"

    def host(self, name):
        return Host(name, "127.0.0.1")

    def port(self, _wanted):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return probe.getsockname()[1]


class Namespaces:
    can_cut = True
    name = "network namespaces"

    def __init__(self):
        missing = [tool for tool in ("ip", "tc", "nsenter") if not shutil.which(tool)]
        if missing:
            raise CannotCut(f"{', '.join(missing)} missing: deploy/install.sh --test")
        if os.getuid() != 0:
            _become_root_of_a_user_namespace()
        _unshare(CLONE_NEWNET, "no network namespace")
        self.hub = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        self.hosts = 0
        _ip("link", "set", "lo", "up")
        _ip("link", "add", "hub", "type", "bridge")
        _ip("addr", "add", "10.77.0.1/24", "dev", "hub")
        _ip("link", "set", "hub", "up")
        self.can_delay = False
        try:
            self.host("probe")
            _ip("qdisc", "add", "dev", "p1", "root", "netem", "delay", "1ms", tool="tc")
            self.can_delay = True
            _ip("qdisc", "del", "dev", "p1", "root", tool="tc")
        except CannotCut:
            if self.hosts == 0:
                raise

    def host(self, name):
        number = self.hosts + 1
        address, link = f"10.77.0.{10 + number}", f"p{number}"
        _unshare(CLONE_NEWNET, "no network namespace")
        namespace = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            _ip("link", "set", "lo", "up")
            hub = f"/proc/{os.getpid()}/fd/{self.hub}"
            # The peer goes to the hub by way of a process that is in it.
            keeper = subprocess.Popen(["nsenter", f"--net={hub}", "sh", "-c", "echo; read _"],
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            keeper.stdout.readline()
            try:
                _ip("link", "add", "eth0", "type", "veth", "peer", "name", link, "netns", keeper.pid)
            finally:
                keeper.communicate()
            _ip("addr", "add", f"{address}/24", "dev", "eth0")
            _ip("link", "set", "eth0", "up")
        finally:
            _enter(self.hub)
        _ip("link", "set", link, "master", "hub", "up")
        self.hosts = number
        return Host(name, address, namespace, link)

    def port(self, wanted):
        return wanted

    def _on(self, host, *words, tool="ip"):
        _enter(host.namespace)
        try:
            _ip(*words, tool=tool)
        finally:
            _enter(self.hub)

    def cut(self, host):
        _ip("link", "set", host.link, "nomaster")

    def uncut(self, host):
        _ip("link", "set", host.link, "master", "hub")

    def deaf(self, host, peer):
        """What host sends to peer is lost."""
        self._on(host, "neigh", "replace", peer.address, "lladdr", NOBODY, "dev", "eth0", "nud", "permanent")

    def undeaf(self, host, peer):
        self._on(host, "neigh", "del", peer.address, "dev", "eth0")

    def slow(self, host):
        discipline = (["netem", "delay", "150ms", "50ms", "loss", "3%"] if self.can_delay else
                      ["tbf", "rate", "400kbit", "burst", "8kb", "latency", "500ms"])
        self._on(host, "qdisc", "replace", "dev", "eth0", "root", *discipline, tool="tc")

    def unslow(self, host):
        self._on(host, "qdisc", "del", "dev", "eth0", "root", tool="tc")


def network(wanted):
    """`wanted`: namespaces, loopback, or auto. Gives the network, and why it is no better one."""
    if wanted == "loopback":
        return Loopback(), "asked for"
    # In a child first: what is left half done by a refusal must not be this process's.
    child = os.fork()
    if child == 0:
        try:
            Namespaces().host("a")
        except CannotCut as why:
            os.write(2, f"soak: no network namespaces: {why}\n".encode())
            os._exit(1)
        except BaseException:
            os._exit(1)
        os._exit(0)
    if os.waitpid(child, 0)[1] == 0:
        return Namespaces(), None
    if wanted == "namespaces":
        raise CannotCut("network namespaces were asked for, and cannot be had here")
    return Loopback(), "network namespaces cannot be had here"
