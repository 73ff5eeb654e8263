"""Clients at work on every member while a scenario goes on, and the check of what they were told."""
import itertools
import threading
import time

from history import FOREVER, Operation, violations
from members import Failed

WRITERS_EACH = 2
REGISTERS = ("register/0", "register/1", "register/2")


class Load:
    """Writers and a reader on every member until the end of the `with`.

    Each writer puts keys of its own, each of which must be there at the end, and by turns one of a few registers, which all write and the
    readers read: their history must be linearizable.
    """

    def __init__(self, cluster):
        self.cluster, self.stopping, self.lock = cluster, threading.Event(), threading.Lock()
        self.acknowledged, self.times, self.history, self.errors = set(), [], [], set()
        self.threads = [threading.Thread(target=self.write, args=(member, writer), daemon=True)
                        for member in cluster.members for writer in range(WRITERS_EACH)]
        self.threads += [threading.Thread(target=self.read, args=(member,), daemon=True) for member in cluster.members]

    def write(self, member, writer):
        client = member.client(timeout=3)
        for count in itertools.count(1):
            if self.stopping.is_set():
                return
            value = f"{member.name}/{writer}/{count}"
            key = f"load/{value}" if count % 3 else REGISTERS[count // 3 % len(REGISTERS)]
            begun = time.monotonic()
            revision = client.put(key, value)
            ended = time.monotonic()
            with self.lock:
                if revision is not None:
                    self.times.append(ended)
                if key in REGISTERS:
                    self.history.append(Operation("put", key, value, begun, ended if revision else FOREVER, revision or 0))
                elif revision is not None:
                    self.acknowledged.add(key)
            if revision is None:
                self.errors.add(client.error)
                time.sleep(0.005)

    def read(self, member):
        client = member.client(timeout=3)
        for key in itertools.cycle(REGISTERS):
            if self.stopping.is_set():
                return
            begun = time.monotonic()
            found = client.get(key)
            if found is not None:
                value, mod_revision, revision = found
                with self.lock:
                    self.history.append(Operation("range", key, value, begun, time.monotonic(), revision, mod_revision))
            time.sleep(0.005)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, kind, *unused):
        self.stopping.set()
        for thread in self.threads:
            thread.join(30)
        if kind is None:
            self.check()

    def check(self):
        if not self.acknowledged or not self.history:
            raise Failed(f"no client was served: {sorted(self.errors)[:3]}")
        for member in self.cluster.members:
            if not member.running():
                continue
            client = member.client(timeout=20)
            with self.lock:
                acknowledged = set(self.acknowledged)
            keys = client.keys("load/")
            if keys is None:
                raise Failed(f"{member.name} does not answer: {client.error}")
            lost = acknowledged - keys
            if lost:
                raise Failed(f"{len(lost)} acknowledged writes are not seen through {member.name}, {sorted(lost)[:3]} among them")
        with self.lock:
            history = list(self.history)
        broken = list(itertools.islice(violations(history), 5))
        if broken:
            raise Failed("the history is not linearizable:\n  " + "\n  ".join(broken))

    def __str__(self):
        return f"{len(self.acknowledged)} writes kept, {len(self.history)} operations linearizable"

    def await_write_after(self, moment, patience=30):
        """Seconds from `moment` to the first write that was acknowledged after it."""
        end = time.monotonic() + patience
        while time.monotonic() < end:
            with self.lock:
                later = [when for when in self.times[-2000:] if when > moment]
            if later:
                return later[0] - moment
            time.sleep(0.002)
        raise Failed(f"no write was acknowledged within {patience} s")

    def gap_around(self, moment, seconds=15):
        """The longest time without an acknowledged write that holds `moment` or begins in the `seconds` after it."""
        with self.lock:
            times = sorted(self.times)
        gaps = [(later - earlier) for earlier, later in zip(times, times[1:]) if later > moment and earlier < moment + seconds]
        return max(gaps) if gaps else 0
