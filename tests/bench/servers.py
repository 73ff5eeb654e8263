"""The two sides of the comparison: how each is started, and what its process tells."""
import hashlib
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
        for flag in more_flags:
            self.flags = [one for one in self.flags if one.split("=")[0] != flag.split("=")[0]] + [flag]
        self.process = None

    def __enter__(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        os.makedirs(self.folder)
        # What earlier runs left in the page cache is written now, not on this one's account.
        os.sync()
        self.launch()
        self.wait_until_ready()
        return self

    def __exit__(self, *unused):
        self.stop("SIGTERM")
        shutil.rmtree(os.path.join(self.folder, "data"), ignore_errors=True)

    def launch(self):
        with open(os.path.join(self.folder, "server.log"), "a") as log:
            self.process = subprocess.Popen([self.binary.path] + self.flags, stdout=log, stderr=log, start_new_session=True)

    def stop(self, signal_name):
        if self.process.poll() is None:
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


def read_all(connection):
    connection.settimeout(2)
    answer = b""
    while True:
        part = connection.recv(4096)
        if not part:
            return answer
        answer += part
