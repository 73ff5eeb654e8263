"""Between the write of a request into the log and its reply on the wire lies a sync of that same file.

The puts go to one key, one at a time, and ask for the previous value: the write into the log carries the new value, and
the reply carries the one before, which nobody else sends at that time.
"""
import os
import re
import signal
import subprocess
import time

from harness import Failure, Loss, Server, client

CALLS = "write,pwrite64,writev,pwritev,pwritev2,fdatasync,fsync,sync_file_range,sendmsg,sendto,sendmmsg"
WRITES = {"write", "pwrite64", "writev", "pwritev", "pwritev2"}
SENDS = {"sendmsg", "sendto", "sendmmsg", "write", "writev"}
SYNCS = {"fdatasync", "fsync"}
BEGIN = re.compile(r"^(\d+) +(?:[\d:.]+ )?(\w+)\((\d+)<([^>]*)>")
RESUMED = re.compile(r"^(\d+) +(?:[\d:.]+ )?<\.\.\. (\w+) resumed>.*= (-?\d+)")


class Event:
    """A system call: where in the trace it began and ended, on which descriptor, and its line."""

    def __init__(self, begin, call, descriptor, path, line):
        self.begin, self.end, self.call, self.descriptor, self.path, self.line = begin, None, call, descriptor, path, line


def parse(lines):
    events, open_calls = [], {}
    for number, line in enumerate(lines):
        begin = BEGIN.match(line)
        if begin:
            event = Event(number, begin.group(2), begin.group(3), begin.group(4), line)
            events.append(event)
            if "<unfinished ...>" in line:
                open_calls[begin.group(1)] = event
            elif re.search(r"= -?\d+", line):
                event.end = number if not re.search(r"= -\d+", line) else None
            continue
        resumed = RESUMED.match(line)
        if resumed and resumed.group(1) in open_calls:
            event = open_calls.pop(resumed.group(1))
            if int(resumed.group(3)) >= 0:
                event.end = number
    return events


def check(lines, values):
    """Returns the events of one put, for show. Raises Failure for the first put whose reply could overtake its sync."""
    events = parse(lines)
    shown = None
    for previous, value in zip(values, values[1:]):
        written = [e for e in events if e.call in WRITES and "/member/wal/" in e.path and value in e.line]
        if not written:
            raise Failure(f"{value}: no write into the log carries it")
        write = written[0]
        replies = [e for e in events if e.call in SENDS and "socket:" in e.path and previous in e.line and e.begin > write.begin]
        if not replies:
            raise Failure(f"{value}: no reply was seen")
        reply = replies[0]
        syncs = [e for e in events if e.call in SYNCS and e.descriptor == write.descriptor and e.path == write.path
                 and write.end is not None and e.begin > write.end and e.end is not None and e.end < reply.begin]
        if not syncs:
            raise Loss(f"{value}: the reply left without a sync of {write.path} after the write\n"
                          f"  {write.line[:160]}\n  {reply.line[:160]}")
        shown = (write, syncs[0], reply)
    return shown


def trace(folder, binary, puts, flags=()):
    """A node under strace and `puts` puts. Returns the lines of the trace and the values."""
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, "strace.txt")
    server = Server(binary, os.path.join(folder, "data"), os.path.join(folder, "server.log"),
                    wrapper=["strace", "-f", "-y", "-s", "8192", "-e", f"trace={CALLS}", "-o", path],
                    flags=flags)
    try:
        server.start(seconds=120)
        result = client("sequence", server.endpoint, "--values", str(puts), "--prefix", "order")
        if result.returncode != 0:
            raise Failure(f"puts under strace: {result.stderr}")
    finally:
        stop_traced(server)
    with open(path, errors="replace") as file:
        return file.read().split("\n"), [line.split()[0] for line in result.stdout.strip().split("\n")]


def stop_traced(server):
    """strace ends when its child ends; the child is the one process whose parent is strace."""
    if server.process is None:
        return
    children = subprocess.run(["ps", "-o", "pid=", "--ppid", str(server.process.pid)], capture_output=True, text=True,
                              check=False).stdout.split()
    for child in children:
        os.kill(int(child), signal.SIGTERM)
    end = time.monotonic() + 30
    while server.process.poll() is None and time.monotonic() < end:
        time.sleep(0.05)
    server.stop()


def syncs(lines):
    """The calls that wait for the disk. RocksDB asks with an empty sync_file_range whether the call exists."""
    call = re.compile(r"^\d+ +(?:[\d:.]+ )?(?:(?:fdatasync|fsync)\(|sync_file_range\(.*SYNC_FILE_RANGE)")
    return [line for line in lines if call.search(line)]


def without_syncs(lines):
    """What the trace of a server that never syncs looks like."""
    return [line for line in lines if not re.search(r"\b(fdatasync|fsync)\b", line)]


def excerpt(shown):
    names = ("write", "sync", "reply")
    return "\n".join(f"    {name:5} trace line {event.begin + 1}: {shorten(event)}" for name, event in zip(names, shown))


def shorten(event):
    path = re.sub(r".*/member/", ".../member/", event.path)
    return f"{event.call}({event.descriptor}<{path}>) ended at line {event.end + 1 if event.end is not None else '-'}"
