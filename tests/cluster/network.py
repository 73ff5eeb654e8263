"""A network of the test's own, with cables that can be cut in one direction.

The program starts itself again in a network, a mount and a process namespace: whatever it makes and starts ends with it. Each member gets a
network namespace in there, joined to the others and to the test by a bridge. A cut is a neighbour entry with an address that nobody has: what
the one sends to the other is lost on the way and nothing tells either of them, and it needs no module of the kernel.
"""
import os
import subprocess
import sys

MARK = "CLUSTER_TEST_NAMESPACES"
INSIDE = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
NOBODY = "02:00:00:00:ff:ff"


def ip(*words, namespace=None):
    done = subprocess.run(["ip", *(["-n", namespace] if namespace else []), *words], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise OSError(f"ip {' '.join(words)}: {done.stderr.strip()}")


def enter():
    """Starts this program again inside; there it prepares the ground. Returns why not, as a sentence; empty: it is inside."""
    if MARK not in os.environ:
        try:
            probe = subprocess.run(INSIDE + ["mount", "-t", "tmpfs", "tmpfs", "/run"], capture_output=True, text=True, check=False)
        except FileNotFoundError as missing:
            return f"namespaces of its own need {missing.filename}; deploy/install-dependencies installs it"
        if probe.returncode != 0:
            return f"this needs namespaces of its own (root with CAP_SYS_ADMIN and CAP_NET_ADMIN), and they are refused: {probe.stderr.strip()}"
        os.environ[MARK] = "1"
        os.execvp(INSIDE[0], INSIDE + [sys.executable] + sys.argv)
    try:
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run"], check=True)  # "ip netns" keeps its names there
        ip("link", "set", "lo", "up")
    except (OSError, subprocess.CalledProcessError) as refused:
        return f"a network of its own is refused: {refused}"
    return ""


class Network:
    """As many namespaces as members, named as they are, on one bridge with the test. Made anew for each scenario."""

    def __init__(self, names):
        self.names = names

    def __enter__(self):
        ip("link", "add", "name", "cluster", "type", "bridge")
        ip("addr", "add", "10.77.0.254/24", "dev", "cluster")
        ip("link", "set", "cluster", "up")
        for name in self.names:
            ip("netns", "add", name)
            ip("link", "add", "name", f"to-{name}", "type", "veth", "peer", "name", "eth0", "address", self.hardware(name), "netns", name)
            ip("link", "set", f"to-{name}", "master", "cluster", "up")
            ip("link", "set", "lo", "up", namespace=name)
            ip("link", "set", "eth0", "up", namespace=name)
            ip("addr", "add", f"{self.address(name)}/24", "dev", "eth0", namespace=name)
        self.heal()
        return self

    def __exit__(self, *unused):
        for name in self.names:
            ip("link", "delete", f"to-{name}")
            ip("netns", "delete", name)
        ip("link", "delete", "cluster")

    def address(self, name):
        return f"10.77.0.{self.names.index(name) + 1}"

    def hardware(self, name):
        return f"02:00:00:00:00:{self.names.index(name) + 1:02x}"

    def deliver(self, sender, receiver, hardware):
        ip("neigh", "replace", self.address(receiver), "lladdr", hardware, "dev", "eth0", "nud", "permanent", namespace=sender)

    def cut(self, sender, receiver):
        """Nothing that `sender` sends reaches `receiver` from now on."""
        self.deliver(sender, receiver, NOBODY)

    def separate(self, one, other):
        self.cut(one, other)
        self.cut(other, one)

    def heal(self):
        for sender in self.names:
            for receiver in self.names:
                if sender != receiver:
                    self.deliver(sender, receiver, self.hardware(receiver))
