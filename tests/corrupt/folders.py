"""A data folder of the real server, and places of it to damage."""
import os
import shutil
import struct

from harness import Failure, Loss, Server, Writers, verify

SECTOR, PAGE = 512, 4096
NO_START_SECONDS = 30


class Folder:
    """A folder with acknowledged writes. Copies of it are damaged; the original stays."""

    def __init__(self, folder, binary):
        self.folder, self.original = folder, os.path.join(folder, "original")
        self.record = os.path.join(folder, "record.txt")
        # One set of addresses for all: they make the member's id.
        self.server = Server(binary, self.original, os.path.join(folder, "server.log"))
        self.server.start()
        writers = Writers(self.server.endpoint, self.record, "data", count=16)
        writers.wait_for(1500)
        writers.process.terminate()
        writers.process.communicate()
        self.server.stop()
        # Twice started: the store has table files, and the log goes on behind them.
        self.server.start()
        self.server.stop()

    def copy(self):
        place = os.path.join(self.folder, "damaged")
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(self.original, place)
        return place

    def start(self, place):
        """Starts on the folder. Returns None, or the exit code of a process that did not come up."""
        self.server.data_folder = place
        open(self.server.log_path, "w").close()
        try:
            self.server.start(seconds=NO_START_SECONDS)
        except Failure:
            code = self.server.process.poll()
            self.server.stop()
            if code is None:
                raise Loss(f"the start neither succeeds nor ends: {self.server.log_tail()}") from None
            return code
        return None

    def log_text(self):
        with open(self.server.log_path, errors="replace") as log:
            return log.read()

    def verify(self):
        return verify(self.server.endpoint, self.record, 0)


def segment(place):
    folder = os.path.join(place, "member/wal")
    return os.path.join(folder, sorted(name for name in os.listdir(folder) if name.endswith(".log"))[0])


def store_file(place, prefix="", suffix=""):
    folder = os.path.join(place, "member/store-0000000000000001")
    names = [name for name in os.listdir(folder) if name.startswith(prefix) and name.endswith(suffix)]
    return os.path.join(folder, max(names, key=lambda name: os.path.getsize(os.path.join(folder, name))))


def batches(path):
    """(offset, bytes) of each batch of a segment; see storage/log_format.h."""
    found, at = [], PAGE
    with open(path, "rb") as file:
        while True:
            file.seek(at)
            header = file.read(56)
            if len(header) < 56 or header[:4] != b"Rbat":
                return found
            size = struct.unpack("<Q", header[8:16])[0]
            found.append((at, size))
            at += (size + SECTOR - 1) // SECTOR * SECTOR


def flip(path, offset, bit=3):
    with open(path, "r+b") as file:
        file.seek(offset)
        byte = file.read(1)
        file.seek(offset)
        file.write(bytes([byte[0] ^ 1 << bit]))


def overwrite(path, offset, content):
    with open(path, "r+b") as file:
        file.seek(offset)
        file.write(content)


def digest(place, below="member/wal"):
    """Names and contents of the files, to see that a refused start changes none."""
    found = {}
    for root, _, names in os.walk(os.path.join(place, below)):
        for name in names:
            with open(os.path.join(root, name), "rb") as file:
                found[os.path.join(root, name)] = hash(file.read())
    return found
