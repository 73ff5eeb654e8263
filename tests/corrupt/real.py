"""Damaged folders, started for real."""
import os
import re
import subprocess

import folders
from harness import Failure, Loss

PLACED = r"%s at offset %s, index \d+"


def refused(place, base, pattern):
    """The start ends with 1 and these words, and changes nothing of what is damaged."""
    before = folders.digest(place)
    code = base.start(place)
    if code is None:
        base.server.stop()
        raise Loss("the damaged folder was served")
    if code != 1:
        raise Loss(f"exit code {code}: {base.server.log_tail()}")
    if not re.search(pattern, base.log_text()):
        raise Loss(f"no {pattern} in {base.server.log_tail()}")
    if folders.digest(place) != before:
        raise Loss("a refused start changed the files")
    return re.search(pattern, base.log_text()).group(0)


def served(place, base, words=""):
    """The start succeeds, everything is there, and the log says what it should."""
    code = base.start(place)
    if code is not None:
        raise Loss(f"not served, exit code {code}: {base.server.log_tail()}")
    try:
        base.verify()
        if words and words not in base.log_text():
            raise Loss(f"no {words!r} in the log")
    finally:
        base.server.stop()
    return words or "served"


def log_header(place, base):
    path = folders.segment(place)
    folders.flip(path, 20)
    return refused(place, base, PLACED % (re.escape(path), 0))


def log_first_batch(place, base):
    path = folders.segment(place)
    offset, size = folders.batches(path)[1]
    folders.flip(path, offset + size - 1)
    return refused(place, base, PLACED % (re.escape(path), offset))


def log_record_type(place, base):
    """RK-58: the type of a record is under its checksum."""
    path = folders.segment(place)
    offset, _ = folders.batches(path)[3]
    folders.flip(path, offset + 56 + 24)
    return refused(place, base, PLACED % (re.escape(path), offset))


def log_length(place, base):
    """RK-57: an impossible length is no index out of range."""
    path = folders.segment(place)
    offset, _ = folders.batches(path)[2]
    folders.overwrite(path, offset + 8, b"\xff" * 8)
    return refused(place, base, PLACED % (re.escape(path), offset))


def log_zeroed_sector(place, base):
    """RK-56: a zeroed sector is not the end of the log."""
    path = folders.segment(place)
    found = folders.batches(path)
    offset, _ = found[len(found) // 2]
    folders.overwrite(path, offset, b"\0" * 512)
    return refused(place, base, PLACED % (re.escape(path), offset))


def log_torn_tail(place, base):
    """RK-54: half a batch behind the last one is what a crash leaves: discarded, and said."""
    path = folders.segment(place)
    found = folders.batches(path)
    end = found[-1][0] + 512
    with open(path, "rb") as file:
        file.seek(found[2][0])
        torn = file.read(300)
    folders.overwrite(path, end, torn)
    return served(place, base, "discarded a torn tail of the log")


def log_missing(place, base):
    os.remove(folders.segment(place))
    return refused(place, base, "has been in use, but its log is not in")


def vote_one_copy(place, base):
    folders.flip(os.path.join(place, "member/wal/term-and-vote-1"), 41)
    return served(place, base, "repaired from the other copy")


def vote_both_copies(place, base):
    for number in "12":
        folders.flip(os.path.join(place, "member/wal/term-and-vote-" + number), 41)
    return refused(place, base, "both copies of this member's term and vote .*term-and-vote-1 at offset 0")


def identity(place, base):
    path = os.path.join(place, "member/identity")
    folders.flip(path, 40)
    return refused(place, base, re.escape(path) + " is damaged")


def store_pointer(place, base):
    path = os.path.join(place, "member/store-current")
    folders.flip(path, 10)
    return refused(place, base, re.escape(path) + " is damaged")


def store_current(place, base):
    folders.overwrite(folders.store_file(place, "CURRENT"), 0, b"MANIFEST-999999\n")
    return refused(place, base, "the store in .* cannot be opened")


def store_manifest(place, base):
    folders.overwrite(folders.store_file(place, "MANIFEST"), 0, b"\0" * 64)
    return refused(place, base, "the store in .* cannot be opened")


def store_table(place, base):
    """RK-62: a bad block is found when it is read, at the start or later; nothing of it is served."""
    path = folders.store_file(place, suffix=".sst")
    for offset in range(100, os.path.getsize(path) - 2000, 4000):
        folders.flip(path, offset)
    code = base.start(place)
    if code is None:
        try:
            base.verify()
            raise Failure("the damaged table file is never read")
        except Loss as loss:
            if "another value" in str(loss) or "its revision is" in str(loss) or ": lost" in str(loss):
                raise
        code = base.server.process.wait(20)
        base.server.process = None
    if code == 0 or not re.search("the store.*(cannot be read|cannot be opened|failed)", base.log_text()):
        raise Loss(f"exit code {code}: {base.server.log_tail()}")
    return f"exit code {code}: " + re.search("the store.*(cannot be read|cannot be opened|failed).{0,60}", base.log_text()).group(0)


def harmless_files(place, base):
    folders.overwrite(os.path.join(place, "member/lock"), 0, b"garbage" * 9)
    folders.overwrite(os.path.join(place, "member/reserve"), 4096, b"garbage" * 9)
    return served(place, base)


def untouched(place, base):
    """The control."""
    return served(place, base)


DAMAGES = [untouched, log_header, log_first_batch, log_record_type, log_length, log_zeroed_sector, log_torn_tail,
           log_missing, vote_one_copy, vote_both_copies, identity, store_pointer, store_current, store_manifest,
           store_table, harmless_files]


def real_server(folder, options):
    """Each damage on a copy of one folder: exit code, words, and what is served afterwards."""
    base = folders.Folder(folder, options.server)
    try:
        for damage in DAMAGES:
            words = damage(base.copy(), base)
            print(f"  {damage.__name__}: {words.replace(folder, '')[:150]}", flush=True)
        canaries(base)
    finally:
        base.server.stop()
    return f"{len(DAMAGES)} damages, 2 planted faults found"


def canaries(base):
    """A folder that is served although it should be refused, and one that has lost everything, must be found out."""
    for name, check in (("served", lambda place: refused(place, base, "damaged")), ("lost", lambda place: served(place, base))):
        place = base.copy()
        if name == "lost":
            subprocess.run(["rm", "-rf", os.path.join(place, "member")], check=True)
        try:
            check(place)
        except Loss:
            continue
        raise Failure(f"the planted fault was not found: {name}")


# ---- leftovers -----------------------------------------------------------------------------------------------------

STORE = "member/store-0000000000000001/"
# Every name that a start, a roll of the log, a flush or a compaction writes to before it counts.
LEFTOVERS = ["member/identity.new", "member/store-current.new", "member/reserve", "member/lock",
             "member/wal/spare-0000000000000001", "member/wal/spare-00000000000000ff",
             "member/store-0000000000000002/CURRENT", "member/store-0000000000000002/000009.sst",
             "member/snap/00000001.part", STORE + "000099.dbtmp", STORE + "OPTIONS-000099.dbtmp", STORE + "000099.sst",
             STORE + "MANIFEST-000099", STORE + "LOG.old.1700000000000000", STORE + "000098.log"]


def leave(path, content):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(content)


def contents_like(base):
    """Nothing, half of something real, and all of it."""
    real = subprocess.run(["cat", folders.segment(base.original), folders.store_file(base.original, "MANIFEST")],
                          capture_output=True, check=True).stdout[:200_000]
    return {"empty": b"", "half": real[:777], "full": real}


def leftovers(folder, options):
    """RK-18: temporary and spare files of an earlier life, one at a time and all at once, in a used and in a new folder."""
    base = folders.Folder(folder, options.server)
    starts = 0
    try:
        for kind, content in contents_like(base).items():
            for names in [[name] for name in LEFTOVERS] + [LEFTOVERS]:
                # One at a time where tier full has the time for it.
                if len(names) == 1 and options.tier != "full" and kind != "half":
                    continue
                place = base.copy()
                for name in names:
                    leave(os.path.join(place, name), content)
                try:
                    for _ in names[:2]:
                        served(place, base)
                        starts += 1
                except Failure as failure:
                    raise Loss(f"{kind} {names}: {failure}") from None
            starts += new_folder(base, kind, content)
    finally:
        base.server.stop()
    return f"{len(LEFTOVERS)} names, 3 contents, {starts} starts"


def new_folder(base, kind, content):
    """What a first start leaves that a crash interrupted."""
    place = base.copy()
    subprocess.run(["rm", "-rf", place], check=True)
    for name in ("member/identity.new", "member/reserve", "member/lock", "member/wal/spare-0000000000000001"):
        leave(os.path.join(place, name), content)
    code = base.start(place)
    if code is not None:
        raise Loss(f"{kind} leftovers in a new folder: exit code {code}; {base.server.log_tail()}")
    base.server.stop()
    return 1


CASES = {"real-server": real_server, "RK-18-leftovers": leftovers}
