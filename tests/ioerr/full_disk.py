"""A disk that is really full: a small file system, a file that takes the rest of it, and the server with its clients."""
import base64
import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request

from harness import ROOT, Failure, Loss, Server, Writers, verify

NO_SPACE = "mvcc: database space exceeded"


class SmallDisk:
    """A file system of its own, mounted by the test: in memory, or ext4 in a file."""

    def __init__(self, folder, kind, megabytes):
        self.path, self.kind, self.megabytes = os.path.join(folder, "disk"), kind, megabytes
        self.image = os.path.join(folder, "image")
        os.makedirs(self.path)

    def __enter__(self):
        if self.kind == "tmpfs":
            command = ["mount", "-t", "tmpfs", "-o", f"size={self.megabytes}m", "tmpfs", self.path]
        else:
            with open(self.image, "wb") as image:
                image.truncate(self.megabytes << 20)
            subprocess.run(["mkfs.ext4", "-q", "-m", "0", self.image], check=True)
            command = ["mount", "-o", "loop", self.image, self.path]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode != 0:
            raise Failure(f"mounting a small file system needs root: {result.stderr.strip()}")
        return self

    def __exit__(self, *_):
        if subprocess.run(["umount", self.path], capture_output=True, check=False).returncode != 0:
            subprocess.run(["umount", "-l", self.path], check=False)

    def free_bytes(self):
        facts = os.statvfs(self.path)
        return facts.f_bavail * facts.f_frsize

    def fill(self):
        """Takes what is left, to the last byte."""
        with open(os.path.join(self.path, "ballast"), "ab", buffering=0) as ballast:
            for size in (1 << 20, 4096, 512, 1):
                block = b"b" * size
                try:
                    while True:
                        if ballast.write(block) == 0:
                            break
                except OSError:
                    pass

    def free(self):
        os.remove(os.path.join(self.path, "ballast"))


def call(server, path, message, seconds=10):
    """A call in JSON. Returns (answer, None) or (None, error text)."""
    request = urllib.request.Request(f"http://{server.endpoint}/v3/{path}", json.dumps(message).encode())
    try:
        with urllib.request.urlopen(request, timeout=seconds) as answer:
            return json.load(answer), None
    except urllib.error.HTTPError as error:
        return None, error.read().decode(errors="replace")
    except OSError as error:
        return None, f"no answer: {error}"


def text(value):
    return base64.b64encode(value.encode()).decode()


def put(server, key, value="v", seconds=10):
    return call(server, "kv/put", {"key": text(key), "value": text(value)}, seconds)


def expect(result, what):
    answer, error = result
    if error is not None:
        raise Loss(f"{what}: {error.strip()}")
    return answer


def read(server, key, serializable=False):
    answer = expect(call(server, "kv/range", {"key": text(key), "serializable": serializable}), f"reading {key}")
    values = [base64.b64decode(kv["value"]).decode() for kv in answer.get("kvs", [])]
    return values[0] if values else None


def puts_until_refused(server, count=400):
    """Large values until one does not get in. Returns how many did, and the error."""
    for number in range(count):
        _, error = put(server, f"large-{number}", "x" * 300_000, seconds=15)
        if error is not None:
            return number, error
    raise Failure(f"{count} large values got in: the disk is not full")


def full_disk(folder, options, kind="tmpfs"):
    """RK-59: full under load; reads, deletes and compaction go on; a restart while it is full; freed: everything goes on."""
    with SmallDisk(folder, kind, 128) as disk:
        server = Server(options.server, os.path.join(disk.path, "data"), os.path.join(folder, "server.log"))
        record = os.path.join(folder, "record.txt")
        try:
            server.start()
            acknowledged = load_until_full(server, disk, record)
            large, error = puts_until_refused(server)
            if NO_SPACE not in error:
                raise Loss(f"the put on the full disk: {error}")
            disk.fill()  # what the server gave up is taken by others
            works_while_full(server, record, large)
            server.process.send_signal(signal.SIGTERM)
            if server.process.wait(60) != -signal.SIGTERM:
                raise Loss(f"the end on a full disk: {server.process.returncode}; {server.log_tail()}")
            disk.fill()
            server.start()
            reads_while_full(server, record, large)
            server.kill()
            server.start()
            reads_while_full(server, record, large)
            disk.free()
            after = goes_on(server)
            verify(server.endpoint, record, 0)
            server.kill()
            server.start()
            verify(server.endpoint, record, 0)
            if read(server, "after") != after or read(server, "large-0") is None:
                raise Loss("what was written when there was space again is gone")
        finally:
            server.stop()
    return f"{kind}: {acknowledged} writes acknowledged before, {large} large ones while it filled up, none lost; it went on"


def load_until_full(server, disk, record):
    """Writers are at work while the disk fills up."""
    writers = Writers(server.endpoint, record, "full", count=32)
    writers.wait_for(500)
    disk.fill()
    if disk.free_bytes() > 4096:
        raise Failure(f"{disk.free_bytes()} bytes are free: the disk is not full")
    writers.wait_for(writers.acknowledged() + 200)  # into what the log has in store
    writers.process.send_signal(signal.SIGTERM)
    writers.process.communicate()
    return writers.acknowledged()


def works_while_full(server, record, large):
    alarms = expect(call(server, "maintenance/alarm", {"action": "GET"}), "the alarms")
    if not any(alarm["alarm"] == "NOSPACE" for alarm in alarms.get("alarms", [])):
        raise Loss(f"no alarm on a full disk: {alarms}")
    verify(server.endpoint, record, 0)
    if large > 1:
        expect(call(server, "kv/deleterange", {"key": text("large-1")}), "deleting on a full disk")
        if read(server, "large-1") is not None:
            raise Loss("the deleted key is still there")
    if server.process.poll() is not None:
        raise Loss(f"the server ended: {server.process.returncode}; {server.log_tail()}")


def reads_while_full(server, record, large):
    verify(server.endpoint, record, 0)
    if large > 0 and read(server, "large-0", serializable=True) is None:
        raise Loss("large-0 is gone after a restart on the full disk")
    _, error = put(server, "refused", seconds=15)
    if error is None or NO_SPACE not in error:
        raise Loss(f"a put on the full disk after a restart: {error}")


def disarm(server):
    """As an operator does when there is space again. Returns how many alarms there were."""
    alarms = expect(call(server, "maintenance/alarm", {"action": "GET"}), "the alarms").get("alarms", [])
    for alarm in alarms:
        expect(call(server, "maintenance/alarm", {"action": "DEACTIVATE", "memberID": alarm["memberID"],
                                                  "alarm": alarm["alarm"]}), "disarming")
    return len(alarms)


def goes_on(server):
    """With space again: the operator disarms the alarm, as with etcd, and puts get in."""
    end = time.monotonic() + 60
    while True:
        disarm(server)
        value = f"value {time.monotonic()}"
        _, error = put(server, "after", value)
        if error is None:
            return value
        if time.monotonic() > end:
            raise Loss(f"with space again: {error}")
        time.sleep(0.2)


def full_disk_etcd(folder, options):
    """The control: what etcd does on the same disk, for the record; a put on a full disk must not be acknowledged."""
    binary = os.path.join(os.environ.get("ETCD_TOOLS", os.path.join(ROOT, "out/tools")), "etcd")
    if not os.path.exists(binary):
        raise Failure(f"{binary} is missing; tests/tools/build etcd builds it")
    with SmallDisk(folder, "tmpfs", 128) as disk:
        server = Server(binary, os.path.join(disk.path, "data"), os.path.join(folder, "server.log"))
        try:
            server.start()
            expect(put(server, "before"), "the first put")
            disk.fill()
            large, error = puts_until_refused(server)
            alive = server.process.poll() is None
            ended = "goes on" if alive else f"ends with {server.process.returncode}"
            server.stop()
            try:
                server.start(seconds=15)
                again = "starts on the full disk"
            except Failure:
                again = "does not start on the full disk"
            server.stop()
            disk.free()
            server.start()
            if read(server, "before") != "v":
                raise Failure("etcd lost the first put")
        finally:
            server.stop()
    return f"etcd: {large} large puts, then {error.strip()[:120]!r}; it {ended}, {again}"


def full_disk_ext4(folder, options):
    return full_disk(folder, options, "ext4")


CASES = {"RK-59-full-disk": full_disk, "RK-59-full-disk-ext4": full_disk_ext4, "full-disk-etcd": full_disk_etcd}
