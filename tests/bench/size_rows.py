"""Rows 12, 14, 15: memory, restart and disk with much data."""
import statistics

from metrics import at_least, lower, path, scaled
from rows import Group, Row
from servers import BenchError
from sizes import count_text, size_text

VALUE_BYTES = 4096  # where the amount of data counts and not the number of keys
LARGE_QUOTA = ["--quota-backend-bytes=34359738368"]


def memory(keys):
    def run(session):
        result = session.fill(keys, 256)
        session.settle(2)
        result |= session.server.memory()
        if "last_tenth_per_second" not in result:
            raise BenchError("the load was too short to see whether it slows down")
        result["end_to_start"] = result["last_tenth_per_second"] / result["first_tenth_per_second"]
        return result
    return run


def restart(signal_name):
    """With unsynced and unflushed leftovers: a short put load comes before each end."""
    def run(session):
        seconds, errors, first_error = [], 0, None
        for number in range(session.sizes.restarts):
            load = session.load(["--workload", "put", "--keys", 1000, "--value-bytes", 256, "--clients", 64,
                                 "--connections", 8, "--seconds", 1, "--warmup", 0, "--seed", number + 1])
            took, answer = session.restart_until_read(signal_name)
            seconds.append(took)
            errors += load["errors"] + answer["errors"]
            first_error = first_error or load.get("first_error") or answer.get("first_error")
        return {"seconds": statistics.median(seconds), "all_seconds": seconds, "errors": errors, "first_error": first_error}
    return run


def overwrites(session):
    sizes = session.sizes
    keys = sizes.overwrite_bytes // VALUE_BYTES
    errors, first_error = 0, None
    for turn in range(1 + sizes.overwrites):
        for arguments in (session.fill_arguments(keys, VALUE_BYTES, seed=turn + 1), ["--workload", "compact"]):
            result = session.load(arguments)
            errors += result["errors"]
            first_error = first_error or result.get("first_error")
    session.settle(5)
    written = session.server.written_bytes()
    return {"disk_bytes": session.server.disk_bytes(), "written_bytes": written,
            "amplification": written / (sizes.overwrite_bytes * (1 + sizes.overwrites)), "errors": errors,
            "first_error": first_error}


def groups(sizes):
    result = []
    for keys, letter in zip(sizes.memory_keys, "ab"):
        result.append(Group([Row(f"12{letter}", f"{count_text(keys)} keys of 256 B", [
            lower("resident memory, peak", "MB", 3, 8, scaled(1e-6, "resident_peak_bytes")),
            lower("of it anonymous, then", "MB", 3, 8, scaled(1e-6, "anonymous_bytes")),
            at_least("insert rate at the end / start", 0.8, 0.95, path("end_to_start"))], memory(keys))],
            5 + keys / 60_000, pairs_max=3, flags=LARGE_QUOTA))
    for size, letters in zip(sizes.restart_bytes, ("ab", "cd")):
        rows = [Row(f"14{letter}", f"restart with {size_text(size)} after {name}",
                    [lower("to the first read", "s", 5, 20, path("seconds"))], restart(name))
                for letter, name in zip(letters, ("SIGTERM", "SIGKILL"))]
        keys = size // VALUE_BYTES
        result.append(Group(rows, 10 + size / 50e6 + 2 * sizes.restarts * (3 + size / 500e6), pairs_max=3, flags=LARGE_QUOTA,
                            prepare=lambda session, keys=keys: session.fill(keys, VALUE_BYTES)))
    result.append(Group([Row("15", f"{sizes.overwrites} × overwrite of {size_text(sizes.overwrite_bytes)}, compaction", [
        lower("disk", "MB", 2, 3, scaled(1e-6, "disk_bytes")),
        lower("written / sent", "×", 1, 3, path("amplification"))], overwrites)],
        10 + sizes.overwrite_bytes * (1 + sizes.overwrites) / 50e6, pairs_max=3, flags=LARGE_QUOTA))
    return result
