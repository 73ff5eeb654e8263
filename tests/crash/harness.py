"""What every case of the crash suite needs: a server process, the crash client, folders, and an end for all of them."""
import json
import os
import re
import signal
import socket
import subprocess
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Failure(Exception):
    """What a case has found; the text says it all."""


class Loss(Failure):
    """The server lost, changed or refused what it had acknowledged: what a canary must provoke, and nothing else."""


def tool(name):
    """A binary of this suite, newest build first; TOOLS names another folder."""
    folders = [os.environ.get("TOOLS", ""), os.path.join(ROOT, "build/release/tests/crash")]
    for folder in folders:
        path = os.path.join(folder, name)
        if folder and os.path.exists(path):
            return path
    raise Failure(f"{name} is not built")


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


class Server:
    """One node. Only processes that were started here are ever ended, by their id."""

    ERROR_LEVELS = {"error", "dpanic", "panic", "fatal"}

    def __init__(self, binary, data_folder, log_path, wrapper=(), flags=()):
        self.binary, self.data_folder, self.log_path = binary, data_folder, log_path
        self.wrapper, self.flags = list(wrapper), list(flags)
        self.client_port, self.peer_port = free_ports(2)
        self.process = None
        self.log_start = 0

    @property
    def endpoint(self):
        return f"127.0.0.1:{self.client_port}"

    def command(self):
        client, peer = f"http://{self.endpoint}", f"http://127.0.0.1:{self.peer_port}"
        return [self.binary, "--name=crash", f"--data-dir={self.data_folder}", f"--listen-client-urls={client}",
                f"--advertise-client-urls={client}", f"--listen-peer-urls={peer}",
                f"--initial-advertise-peer-urls={peer}", f"--initial-cluster=crash={peer}"] + self.flags

    def start(self, seconds=60):
        self.log_start = os.path.getsize(self.log_path) if os.path.exists(self.log_path) else 0
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(self.wrapper + self.command(), stdout=log, stderr=log,
                                            start_new_session=True)
        ready = subprocess.Popen([tool("crash_client"), "ready", "--endpoint", self.endpoint, "--seconds", str(seconds)],
                                 stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True)
        while ready.poll() is None and self.process.poll() is None:
            time.sleep(0.01)
        if self.process.poll() is not None:  # nobody to wait for
            ready.kill()
        output, _ = ready.communicate()
        if ready.returncode != 0:
            raise Failure(f"the server did not start; the end of {self.log_path}:\n{self.log_tail()}")
        return int(output)

    def kill(self):
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process = None

    def stop(self):
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None

    def log_tail(self):
        with open(self.log_path, errors="replace") as log:
            return "".join(log.readlines()[-15:])

    def error_lines(self):
        """Log lines of level error and above since the last start."""
        found = []
        with open(self.log_path, errors="replace") as log:
            log.seek(self.log_start)
            for line in log:
                try:
                    level = json.loads(line).get("level", "")
                except (ValueError, AttributeError):
                    level = "fatal" if re.match(r"(F\d{4}|terminate called|panic:|==\d+==ERROR)", line) else ""
                if level in self.ERROR_LEVELS:
                    found.append(line.strip())
        return found


def client(verb, endpoint, *arguments):
    return subprocess.run([tool("crash_client"), verb, "--endpoint", endpoint, *arguments], capture_output=True,
                          text=True, check=False)


class Writers:
    """The client with its many writers, running until the server is gone."""

    def __init__(self, endpoint, record, prefix, count=64):
        self.record = record
        open(record, "w").close()
        self.process = subprocess.Popen(
            [tool("crash_client"), "write", "--endpoint", endpoint, "--record", record, "--prefix", prefix,
             "--writers", str(count), "--seconds", "120"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            start_new_session=True)

    def acknowledged(self):
        with open(self.record, "rb") as file:
            return file.read().count(b"\n")

    def wait_for(self, count, seconds=60):
        end = time.monotonic() + seconds
        while self.acknowledged() < count:
            if self.process.poll() is not None:
                raise Failure(f"the writers ended early: {self.process.stdout.read()}")
            if time.monotonic() > end:
                self.process.kill()
                raise Failure(f"only {self.acknowledged()} writes acknowledged in {seconds} s")
            time.sleep(0.01)

    def finish(self):
        try:
            output, _ = self.process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise Failure("the writers did not end when the server was gone") from None
        return output.strip()


def highest_revision(record):
    highest = 0
    with open(record) as file:
        for line in file:
            highest = max(highest, int(line.rsplit(" ", 1)[1]))
    return highest


def verify(endpoint, record, after_revision):
    """Every acknowledged write of the record is there. Returns the closing line of the client."""
    result = client("verify", endpoint, "--record", record, "--after-revision", str(after_revision))
    lines = result.stdout.strip().split("\n")
    if result.returncode != 0:
        kind = Loss if result.returncode == 1 and "PROBLEM" in result.stdout else Failure
        raise kind("\n".join(lines[-12:]) + result.stderr)
    return lines[-1]
