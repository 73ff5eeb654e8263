"""The rows of the comparison: what is loaded first, what is run, and which numbers of it are compared."""


class Metric:
    """One number of a run. `better` says which direction wins; the ratio is always above 1 where regent wins."""

    def __init__(self, name, unit, better, must, bold, read):
        self.name, self.unit, self.better, self.must, self.bold, self.read = name, unit, better, must, bold, read

    def ratio(self, etcd, regent):
        low = 1e-9
        return regent / max(etcd, low) if self.better == "higher" else etcd / max(regent, low)


def rate(must, bold):
    return Metric("rate", "op/s", "higher", must, bold, lambda run: run["operations_per_second"])


def cpu(must, bold):
    return Metric("server CPU", "µs/op", "lower", must, bold, lambda run: run["server_cpu_us_per_operation"])


def median_latency(must, bold):
    return Metric("p50", "µs", "lower", must, bold, lambda run: run["latency_us"]["p50"])


def wall(must, bold):
    return Metric("wall", "s", "lower", must, bold, lambda run: run["seconds"])


class Row:
    """`arguments` are the loader's; `fill` asks for all keys to be there first. `group`: rows that share a filled server."""

    def __init__(self, name, title, arguments, metrics, fill=False, group=None, large=False):
        self.name, self.title, self.arguments, self.metrics = name, title, arguments, metrics
        self.fill, self.group, self.large = fill, group or name, large

    def loader_arguments(self, options):
        keys = options.large_keys if self.large else options.keys
        words = ["--keys", str(keys), "--value-bytes", "256", "--seed", str(options.seed)] + self.arguments
        if "page" in self.arguments:  # one pass over all keys
            return words + ["--operations", str(-(-keys // 500)), "--seconds", "3600", "--warmup", "0"]
        return words + ["--seconds", str(options.seconds), "--warmup", str(options.warmup)]


MANY = ["--clients", "1000", "--connections", "100"]
ROWS = [
    Row("1", "put 256 B, 1 client", ["--workload", "put", "--clients", "1"], [median_latency(1.5, 2), cpu(None, None)]),
    Row("2", "put 256 B, 1000 clients, 100 connections", ["--workload", "put"] + MANY, [rate(1.8, 3), cpu(2.5, 5)]),
    Row("4", "txn: compare mod revision, update; 1000 clients", ["--workload", "txn-update"] + MANY,
        [rate(2, 4), cpu(None, None)]),
    Row("5l", "range of one key, linearizable; 1000 clients", ["--workload", "range"] + MANY,
        [rate(1.5, 4), cpu(None, None)], fill=True, group="5"),
    Row("5s", "range of one key, serializable; 1000 clients", ["--workload", "range-serializable"] + MANY,
        [rate(1.5, 4), cpu(None, None)], fill=True, group="5"),
    Row("8", "page through all keys by 500", ["--workload", "page", "--page-limit", "500", "--clients", "1"],
        [wall(20, 100), cpu(None, None)], fill=True, group="large", large=True),
    Row("9", "count of all keys, 16 clients", ["--workload", "count", "--clients", "16", "--connections", "4"],
        [rate(100, 1000), cpu(None, None)], fill=True, group="large", large=True),
]


def groups(names):
    """Rows in the order of the table, those that share a filled server together."""
    chosen = {}
    for row in ROWS:
        if not names or row.name in names or row.name.rstrip("ls") in names:
            chosen.setdefault(row.group, []).append(row)
    return chosen
