"""Rows 1, 2, 4, 5, 8, 9: puts, transactions and reads in closed loops."""
from metrics import cpu, latency, lower, path, rate
from rows import Group, Row

MANY = ["--clients", "1000", "--connections", "100"]


def timed(keys, arguments):
    def run(session):
        return session.load(["--keys", keys, "--value-bytes", 256] + arguments + session.duration())
    return run


def one_pass(keys):
    """Through all keys once, page by page."""
    def run(session):
        return session.load(["--workload", "page", "--page-limit", 500, "--keys", keys, "--operations", -(-keys // 500),
                             "--seconds", 3600, "--warmup", 0])
    return run


def groups(sizes):
    keys, many_keys = sizes.keys, sizes.large_keys
    a_run = sizes.seconds + sizes.warmup + 1
    wall = lower("wall", "s", 20, 100, path("seconds"))

    def fill(session):
        session.fill(keys, 256)

    def fill_many(session):
        session.fill(many_keys, 256)

    return [
        Group([Row("1", "put 256 B, 1 client", [latency("p50", 1.5, 2), cpu()],
                   timed(keys, ["--workload", "put", "--clients", 1]))], a_run),
        Group([Row("2", "put 256 B, 1000 clients", [rate(1.8, 3), cpu(2.5, 5)],
                   timed(keys, ["--workload", "put"] + MANY))], a_run),
        Group([Row("4", "txn: compare revision, update", [rate(2, 4), cpu()],
                   timed(keys, ["--workload", "txn-update"] + MANY))], a_run),
        Group([Row("5a", "range of one key, linearizable", [rate(1.5, 4), cpu()],
                   timed(keys, ["--workload", "range"] + MANY)),
               Row("5b", "range of one key, serializable", [rate(1.5, 4), cpu()],
                   timed(keys, ["--workload", "range-serializable"] + MANY))],
              2 * a_run + keys / 50_000, prepare=fill),
        Group([Row("8", "page through all keys by 500", [wall, cpu()], one_pass(many_keys)),
               Row("9", "count of all keys, 16 clients", [rate(100, 1000), cpu()],
                   timed(many_keys, ["--workload", "count", "--clients", 16, "--connections", 4]))],
              a_run + many_keys / 10_000, prepare=fill_many, pairs_max=3),
    ]
