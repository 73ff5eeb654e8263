"""RK-53: the server is killed, or asked to end, at every 10 ms of its start and of its stop."""
import os
import shutil
import signal
import subprocess
import time

from harness import Failure, Loss, Server, Writers, highest_revision, verify

STEP_SECONDS = 0.010
END_SECONDS = 30


class Cycle:
    """One folder that lives through many starts and stops; everything acknowledged is in its records."""

    def __init__(self, folder, binary):
        self.folder = folder
        self.server = Server(binary, os.path.join(folder, "data"), os.path.join(folder, "server.log"))
        self.records = []

    def launch(self):
        """Starts the process and does not wait for it."""
        with open(self.server.log_path, "ab") as log:
            self.server.process = subprocess.Popen(self.server.command(), stdout=log, stderr=log, start_new_session=True)

    def signal_after(self, seconds, number, where):
        """Ends the process, which is `where`, and says how it ended. It must end in bounded time."""
        time.sleep(seconds)
        process = self.server.process
        if process.poll() is None:
            process.send_signal(number)
        try:
            code = process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            raise Loss(f"{signal.Signals(number).name} {seconds * 1000:.0f} ms into the {where}: alive after "
                       f"{END_SECONDS} s; {self.server.log_tail()}") from None
        finally:
            if process.poll() is None:
                self.server.kill()
        self.server.process = None
        if code not in (-signal.SIGTERM, -signal.SIGKILL):
            raise Loss(f"{signal.Signals(number).name} {seconds * 1000:.0f} ms into the {where}: ended with {code}; "
                       f"{self.server.log_tail()}")

    def come_up(self, write):
        """A whole start: everything acknowledged is there. Writes some more, and leaves the process running."""
        self.server.start()
        for record in self.records[-3:]:
            verify(self.server.endpoint, record, 0)
        if not write:
            return
        before = max((highest_revision(record) for record in self.records), default=0)
        record = os.path.join(self.folder, f"record-{len(self.records)}.txt")
        writers = Writers(self.server.endpoint, record, f"w{len(self.records)}", count=8)
        writers.wait_for(20)
        writers.process.send_signal(signal.SIGTERM)
        writers.process.communicate()
        verify(self.server.endpoint, record, before)
        self.records.append(record)


def moments(count, longest_seconds):
    """Every 10 ms up to the longest, again and again, until there are enough."""
    steps = int(longest_seconds / STEP_SECONDS) + 1
    return [(number % steps) * STEP_SECONDS for number in range(count)]


def measure(folder, binary):
    """How long a start and a stop take here, now."""
    cycle = Cycle(folder, binary)
    began = time.monotonic()
    cycle.come_up(write=False)
    start = time.monotonic() - began
    began = time.monotonic()
    cycle.signal_after(0, signal.SIGTERM, "measured run")
    return start, time.monotonic() - began


def start_stop(folder, options):
    """Fresh folders and folders with data, SIGKILL and SIGTERM, during the start and during the stop."""
    os.makedirs(os.path.join(folder, "measured"))
    start_seconds, stop_seconds = measure(os.path.join(folder, "measured"), options.server)
    counted = {"fresh": 0, "with data": 0, "start": 0, "stop": 0, "SIGKILL": 0, "SIGTERM": 0}
    old = Cycle(folder, options.server)
    try:
        old.come_up(write=True)
        old.signal_after(0, signal.SIGKILL, "first run")
        for number, seconds in enumerate(moments(options.stops, start_seconds + 2 * STEP_SECONDS)):
            name = signal.SIGTERM if number % 2 else signal.SIGKILL
            # Two of three: the folder with data.
            fresh = number % 3 == 2
            cycle = old
            if fresh:
                place = os.path.join(folder, "fresh")
                shutil.rmtree(place, ignore_errors=True)
                os.makedirs(place)
                cycle = Cycle(place, options.server)
            cycle.launch()
            cycle.signal_after(seconds, name, "start")
            count(counted, fresh, "start", name)
            cycle.come_up(write=fresh or number % 10 == 0)
            # It stops now, and is killed in the middle of that.
            cycle.server.process.send_signal(signal.SIGTERM)
            cycle.signal_after(seconds % max(stop_seconds, STEP_SECONDS), name, "stop")
            count(counted, fresh, "stop", name)
            if fresh:
                cycle.come_up(write=False)
                cycle.signal_after(0, signal.SIGKILL, "last run")
        for record in old.records:
            old.come_up(write=False)
            verify(old.server.endpoint, record, 0)
            old.signal_after(0, signal.SIGTERM, "last run")
    finally:
        old.server.stop()
    if min(counted.values()) == 0:
        raise Failure(f"not everything came: {counted}")
    return (f"{options.stops} times, a start takes {start_seconds * 1000:.0f} ms, a stop {stop_seconds * 1000:.0f} ms: "
            + ", ".join(f"{value} {name}" for name, value in counted.items()))


def count(counted, fresh, phase, number):
    counted["fresh" if fresh else "with data"] += 1
    counted[phase] += 1
    counted[signal.Signals(number).name] += 1


def start_stop_canary(folder, options):
    """A server that does not end when it is asked to, and one that lost its folder, must be found out."""
    deaf = os.path.join(folder, "deaf")
    with open(deaf, "w") as script:
        script.write("#!/bin/sh\ntrap '' TERM\nwhile true; do sleep 1; done\n")
    os.chmod(deaf, 0o755)
    found = 0
    global END_SECONDS
    patient, END_SECONDS = END_SECONDS, 2
    try:
        cycle = Cycle(folder, deaf)
        cycle.launch()
        cycle.signal_after(0.2, signal.SIGTERM, "start")
    except Loss:
        found += 1
    finally:
        END_SECONDS = patient
    forgetful = Cycle(folder, options.server)
    try:
        forgetful.come_up(write=True)
        forgetful.signal_after(0, signal.SIGKILL, "run")
        shutil.rmtree(os.path.join(folder, "data"))
        forgetful.come_up(write=False)
    except Loss:
        found += 1
    finally:
        forgetful.server.stop()
    if found != 2:
        raise Failure(f"{found} of 2 planted faults found")
    return "2 planted faults found"
