"""The data folder lies on a file system that forgets at a power loss what was not synced."""
import os
import random
import signal
import subprocess

from harness import Failure, Loss, Server, Writers, highest_revision, tool, verify


class DropFileSystem:
    def __init__(self, backing, mountpoint, sync):
        self.backing, self.mountpoint, self.sync = backing, mountpoint, sync
        self.process = None
        os.makedirs(backing, exist_ok=True)
        os.makedirs(mountpoint, exist_ok=True)

    def mount(self, seed):
        arguments = [tool("dropfs"), self.backing, self.mountpoint, "--seed", str(seed)]
        self.process = subprocess.Popen(arguments + ([] if self.sync == "posix" else ["--" + self.sync]), stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True, start_new_session=True)
        line = self.process.stdout.readline()
        if line.strip() != "mounted":
            raise Failure(f"dropfs did not mount: {line}")

    def end(self, number):
        if self.process is None:
            return ""
        self.process.send_signal(number)
        try:
            output, _ = self.process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            # Nobody answers the file system any more: detach it, so that nothing hangs on it.
            self.process.kill()
            self.process.wait()
            subprocess.run(["umount", "-l", self.mountpoint], check=False)
            raise Failure("dropfs did not end") from None
        finally:
            self.process = None
        return output.strip()

    def power_loss(self):
        return self.end(signal.SIGUSR1)

    def unmount(self):
        self.end(signal.SIGTERM)


def run(folder, binary, losses, writes_min, seed, sync):
    """`sync` is posix, ext4 or lie. Returns what it counted; raises Failure for a loss."""
    chance = random.Random(seed)
    disk = DropFileSystem(os.path.join(folder, "backing"), os.path.join(folder, "mounted"), sync)
    server = Server(binary, os.path.join(disk.mountpoint, "data"), os.path.join(folder, "server.log"))
    counted = {"losses": 0, "acknowledged": 0, "unsynced files": 0, "unsynced names": 0}
    highest, record = 0, None
    try:
        disk.mount(seed)
        for loss in range(losses + 1):
            revision = start(server, loss)
            if revision < highest:
                raise Loss(f"after power loss {loss}: revision {revision}, acknowledged were up to {highest}")
            if server.error_lines():
                raise Failure(f"errors at the start after power loss {loss}: {server.error_lines()[:3]}")
            if record is not None:
                verify(server.endpoint, record, before)
            if loss == losses:
                break
            before, record = highest, os.path.join(folder, f"record-{loss}.txt")
            writers = Writers(server.endpoint, record, f"loss{loss}")
            writers.wait_for(writes_min + chance.randrange(200))
            server.kill()
            output = disk.power_loss()
            writers.finish()
            highest = max(highest, highest_revision(record))
            files, names = parse_loss(output)
            counted["losses"] += 1
            counted["acknowledged"] += writers.acknowledged()
            counted["unsynced files"] += files
            counted["unsynced names"] += names
            disk.mount(seed + loss + 1)
    finally:
        server.stop()
        disk.unmount()
    for name in ("acknowledged", "unsynced files"):
        if counted[name] == 0:
            raise Failure(f"nothing was lost at any power loss: {counted}")
    return counted


def start(server, loss):
    """A server that refuses what a power loss left has lost it."""
    try:
        return server.start()
    except Failure as failure:
        raise (Loss(f"after power loss {loss}: {failure}") if loss > 0 else failure) from None


def parse_loss(output):
    words = output.split()
    if not output.startswith("power loss:"):
        raise Failure(f"dropfs lost nothing: {output}")
    return int(words[2]), int(words[5])
