"""Row 19: what an empty store and idle clients hold in memory."""
from metrics import lower, path, scaled
from rows import Group, Row
from sizes import count_text


def empty(session):
    session.settle(2 if session.sizes.quick else 10)
    return session.server.memory() | {"errors": 0}


def connections(session):
    return session.run("bench_idle", ["--connections", session.sizes.idle_connections])


def groups(sizes):
    return [Group([
        Row("19a", "an empty store", [lower("resident memory", "MB", 1.2, 3, scaled(1e-6, "resident_bytes")),
                                      lower("of it anonymous", "MB", None, None, scaled(1e-6, "anonymous_bytes"))], empty),
        Row("19b", f"{count_text(sizes.idle_connections)} idle connections with a watch",
            [lower("resident memory", "kB each", 1.2, 3, scaled(1e-3, "bytes_per_connection"))], connections)],
        20 + sizes.idle_connections / 1000)]
