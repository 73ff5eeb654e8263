"""One call to the disk fails under the real server: whatever becomes of that process, nothing acknowledged is lost."""
import os
import re
import shutil
import signal
import subprocess

import full_disk
from harness import Failure, Loss, Server, Writers, tool, verify

WRITERS, WRITES = 8, 60
SECONDS_TO_END = 40


class Run:
    """A fresh folder, a start in which call `number` below `below` fails as `how`, some writes, an orderly end."""

    def __init__(self, binary, folder, below, number, how):
        self.binary, self.folder, self.below, self.number, self.how = binary, folder, below, number, how
        self.report = os.path.join(folder, "calls.txt")
        self.record = os.path.join(folder, "record.txt")
        self.log = os.path.join(folder, "server.log")
        self.started = self.ended_by_itself = False
        self.exit_code = self.server = None

    def __str__(self):
        return f"call {self.number} below {self.below} as {self.how}"

    def go(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        os.makedirs(self.folder)
        open(self.record, "w").close()
        library = os.path.join(os.path.dirname(os.path.dirname(tool("crash_client"))), "ioerr/libfailcall.so")
        # The same addresses before and after: they make the member's id.
        self.server = server = Server(self.binary, os.path.join(self.folder, "data"), self.log)
        server.wrapper = ["env", f"LD_PRELOAD={library}", f"FAIL_BELOW={self.below}", f"FAIL_NTH={self.number}",
                              f"FAIL_AS={self.how}", f"FAIL_REPORT={self.report}"]
        try:
            try:
                server.start(seconds=30)
                self.started = True
            except Failure:
                if server.process.poll() is None:
                    raise Loss(f"{self}: the start hangs; {server.log_tail()}") from None
            if self.started:
                self.write(server)
            self.end(server)
        finally:
            if server.process is not None and server.process.poll() is None:
                server.kill()
        return self

    def write(self, server):
        writers = Writers(server.endpoint, self.record, "w", count=WRITERS)
        try:
            writers.wait_for(WRITES, seconds=40 if self.how == "EIO" else 10)
        except Failure:
            if server.process.poll() is None and writers.acknowledged() == 0:
                writers.process.kill()
                # A disk that was full for one call: the alarm stays until somebody looks.
                if self.how in ("ENOSPC", "SHORT") and full_disk.disarm(server) > 0:
                    return self.write(server)
                raise Loss(f"{self}: alive, and no write is acknowledged; {server.log_tail()}") from None
        server.process.send_signal(signal.SIGTERM)
        writers.finish()

    def end(self, server):
        try:
            self.exit_code = server.process.wait(SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            raise Loss(f"{self}: does not end; {server.log_tail()}") from None
        self.ended_by_itself = self.exit_code != -signal.SIGTERM

    def calls(self):
        if not os.path.exists(self.report):
            return []
        with open(self.report) as file:
            return file.read().splitlines()

    def injected(self):
        """The kind of the call that failed and its path; None when the call never came."""
        for line in self.calls():
            match = re.match(r"injected \d+ (\w+) (.*)", line)
            if match:
                return match.group(1), match.group(2)
        return None

    def acknowledged(self):
        with open(self.record, "rb") as file:
            return file.read().count(b"\n")

    def check(self):
        """After the fault: the right end, a clean start, everything acknowledged. Returns a word for the counters."""
        fault = self.injected()
        if fault is None:
            return "not reached"
        kind, path = fault
        if kind == "sync" and self.how != "LIE":
            if not self.ended_by_itself or self.exit_code == 0:
                raise Loss(f"{self}: the sync of {path} failed and the process went on (exit {self.exit_code})")
            self.check_never_again(path)
        if self.ended_by_itself and self.exit_code == 0:
            raise Loss(f"{self}: {kind} of {path} failed and the process ended with 0")
        server = self.server
        server.wrapper, server.process = [], None
        try:
            try:
                server.start()
            except Failure as failure:
                raise Loss(f"{self}: no start afterwards: {failure}") from None
            if self.acknowledged() > 0:
                verify(server.endpoint, self.record, 0)
        finally:
            server.stop()
        return "ended" if self.ended_by_itself else "went on"

    def check_never_again(self, path):
        """No call to that file follows the sync that failed."""
        seen = False
        for line in self.calls():
            if line.startswith("injected "):
                seen = True
            elif seen and line.split(" ", 2)[1:] == ["sync", path]:
                raise Loss(f"{self}: the sync of {path} was repeated")


def count_calls(binary, folder, below):
    """A run without a fault: how many calls there are."""
    run = Run(binary, folder, below, 0, "EIO").go()
    if run.exit_code != -signal.SIGTERM or run.acknowledged() < WRITES:
        raise Failure(f"the control run failed: exit {run.exit_code}, {run.acknowledged()} acknowledged")
    return [line.split(" ", 2)[1] for line in run.calls()]
