"""The two sides of the comparison: how each is started, and what its process tells."""
import hashlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import time

import memory

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
QUOTA_BYTES = 8 * 1024 * 1024 * 1024


class BenchError(Exception):
    """The measurement could not be made; the text says why."""


def free_ports(count):
    """Below those that the kernel gives to clients: a client that waits for a server must not meet itself there."""
    ports = []
    while len(ports) < count:
        port = random.randrange(20000, 30000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in ports:
            ports.append(port)
    return ports


class Binary:
    def __init__(self, side, path):
        if not os.path.exists(path):
            raise BenchError(f"{path} is not there")
        self.side, self.path = side, path
        with open(path, "rb") as file:
            self.digest = hashlib.sha256(file.read()).hexdigest()[:16]

    def version(self):
        text = subprocess.run([self.path, "--version"], capture_output=True, text=True, check=False).stdout
        return text.strip().split("\n")[0].replace("Version: ", "")


def flags(folder, client_port, peer_port):
    """The same for both sides: defaults are what users run. A later flag of the same name wins."""
    client, peer = f"http://127.0.0.1:{client_port}", f"http://127.0.0.1:{peer_port}"
    return ["--name=bench", f"--data-dir={folder}/data", f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}", f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=bench={peer}", f"--quota-backend-bytes={QUOTA_BYTES}"]


class Running:
    """One server on a fresh folder, for a `with` statement. It may be restarted on its data."""

    def __init__(self, binary, folder, more_flags=()):
        self.binary, self.folder = binary, folder
        self.client_port, self.peer_port = free_ports(2)
        self.flags = flags(folder, self.client_port, self.peer_port)
        self.set_flags(*more_flags)
        self.process = None

    def __enter__(self):
        self.make_folder()
        self.launch()
        self.wait_until_ready()
        return self

    def make_folder(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        os.makedirs(self.folder)
        # What earlier runs left in the page cache is written now, not on this one's account.
        os.sync()

    def __exit__(self, *unused):
        self.stop("SIGTERM")
        shutil.rmtree(os.path.join(self.folder, "data"), ignore_errors=True)

    def launch(self):
        with open(os.path.join(self.folder, "server.log"), "a") as log:
            self.process = subprocess.Popen([self.binary.path] + self.flags, stdout=log, stderr=log, start_new_session=True)

    def stop(self, signal_name):
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(getattr(signal, signal_name))
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def restart(self):
        self.stop("SIGTERM")
        self.launch()
        self.wait_until_ready()

    def memory(self):
        return memory.read(self.process.pid)

    def memory_peak(self):
        return memory.Peak(self.process.pid)

    def written_bytes(self):
        """What this process has sent to the disk."""
        with open(f"/proc/{self.process.pid}/io") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("write_bytes:"))

    def disk_bytes(self):
        """What its folder takes on the disk."""
        total = 0
        for folder, _, names in os.walk(os.path.join(self.folder, "data")):
            for name in names:
                try:
                    total += os.lstat(os.path.join(folder, name)).st_blocks * 512
                except FileNotFoundError:  # removed meanwhile
                    pass
        return total

    @property
    def endpoint(self):
        return f"127.0.0.1:{self.client_port}"

    @property
    def pids(self):
        return str(self.process.pid)

    def set_flags(self, *flags):
        for flag in flags:
            self.flags = [one for one in self.flags if one.split("=")[0] != flag.split("=")[0]] + [flag]

    def wait_until_ready(self):
        end = time.monotonic() + 600
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise BenchError(f"{self.binary.path} ended at once; see {self.folder}/server.log")
            try:
                with socket.create_connection(("127.0.0.1", self.client_port), 1) as connection:
                    connection.sendall(f"GET /health HTTP/1.1\r\nHost: {self.endpoint}\r\nConnection: close\r\n\r\n".encode())
                    if b'"true"' in read_all(connection):
                        return
            except OSError:
                pass
            time.sleep(0.05)
        raise BenchError(f"{self.binary.path} did not become healthy; see {self.folder}/server.log")

    def syncs_in(self, action):
        """Runs `action` under strace; how many times the process synced a file meanwhile."""
        path = os.path.join(self.folder, "syncs.txt")
        tracer = subprocess.Popen(["strace", "-f", "-p", str(self.process.pid), "-e", "trace=fdatasync,fsync", "-o", path],
                                  stderr=subprocess.DEVNULL, start_new_session=True)
        time.sleep(0.5)
        action()
        tracer.send_signal(signal.SIGINT)
        tracer.wait(30)
        with open(path, errors="replace") as file:
            return sum(1 for line in file if "sync(" in line)


class RunningCluster:
    """Members on one machine and one disk, for a `with` statement. Clients are spread over all of them."""

    def __init__(self, binary, folder, size, more_flags=()):
        self.binary, self.folder, self.more_flags = binary, folder, more_flags
        self.members = [self.make(f"m{number}") for number in range(1, size + 1)]
        for member in self.members:
            member.set_flags("--initial-cluster=" + self.initial_cluster())

    def make(self, name):
        member = Running(self.binary, os.path.join(self.folder, name), self.more_flags)
        member.set_flags(f"--name={name}")
        return member

    def initial_cluster(self):
        return ",".join(f"m{number}=http://127.0.0.1:{member.peer_port}" for number, member in enumerate(self.members, 1))

    def __enter__(self):
        for member in self.members:
            member.make_folder()
        for member in self.members:
            member.launch()
        for member in self.members:
            member.wait_until_ready()
        return self

    def __exit__(self, *unused):
        for member in self.members:
            member.__exit__()

    def add_learner(self):
        """A member that replicates and does not vote. Returns when it has everything that was there before it came."""
        learner = self.make(f"m{len(self.members) + 1}")
        self.members.append(learner)
        learner.set_flags("--initial-cluster=" + self.initial_cluster(), "--initial-cluster-state=existing")
        end = time.monotonic() + 30
        while True:
            try:
                etcdctl(self.members[0].endpoint, "member", "add", f"m{len(self.members)}", "--learner",
                        f"--peer-urls=http://127.0.0.1:{learner.peer_port}")
                break
            except BenchError:  # members must have been connected for five seconds
                if time.monotonic() > end:
                    raise
                time.sleep(1)
        learner.make_folder()
        learner.launch()
        end = time.monotonic() + 120
        while applied_index(learner.endpoint) < applied_index(self.members[0].endpoint):
            if time.monotonic() > end:
                raise BenchError(f"a learner does not catch up; see {learner.folder}/server.log")
            time.sleep(0.2)

    def remove_learner(self):
        learner = self.members.pop()
        listed = etcdctl(self.members[0].endpoint, "member", "list").splitlines()
        [own] = [line for line in listed if f"http://127.0.0.1:{learner.peer_port}" in line]
        etcdctl(self.members[0].endpoint, "member", "remove", own.split(",")[0])
        learner.__exit__()

    @property
    def endpoint(self):
        """Of those that vote: etcd's learners serve nobody."""
        return ",".join(member.endpoint for member in self.members if "--initial-cluster-state=existing" not in member.flags)

    @property
    def pids(self):
        return ",".join(member.pids for member in self.members)


def etcdctl(endpoint, *words):
    result = subprocess.run([os.path.join(ROOT, "out/tools/etcdctl"), f"--endpoints={endpoint}", *words],
                            capture_output=True, text=True, check=False, timeout=60)
    if result.returncode != 0:
        raise BenchError(f"etcdctl {' '.join(words)}: {result.stderr.strip()}")
    return result.stdout


def applied_index(endpoint):
    """0 while it does not answer."""
    try:
        status = json.loads(etcdctl(endpoint, "endpoint", "status", "--write-out=json"))
    except BenchError:
        return 0
    return status[0]["Status"].get("raftAppliedIndex", 0)


def read_all(connection):
    connection.settimeout(2)
    answer = b""
    while True:
        part = connection.recv(4096)
        if not part:
            return answer
        answer += part
