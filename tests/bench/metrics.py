"""One number of a run: which way is better, and what must be reached."""


class Metric:
    """`better` says which direction wins; the ratio to etcd is always above 1 where regent wins. `must` and `bold` are
    limits of that ratio, or, with `own`, of regent's number itself: then it compares regent with regent."""

    def __init__(self, name, unit, better, must, bold, read, own=False):
        self.name, self.unit, self.better, self.must, self.bold = name, unit, better, must, bold
        self.read, self.own = read, own

    def ratio(self, etcd, regent):
        low = 1e-9
        return max(regent, low) / max(etcd, low) if self.better == "higher" else max(etcd, low) / max(regent, low)


def path(*names):
    def read(result):
        for name in names:
            result = result[name]
        return result
    return read


def scaled(factor, *names):
    return lambda result: path(*names)(result) * factor


def rate(must=None, bold=None):
    return Metric("rate", "op/s", "higher", must, bold, path("operations_per_second"))


def cpu(must=None, bold=None):
    return Metric("server CPU", "µs/op", "lower", must, bold, path("server_cpu_us_per_operation"))


def latency(percentile, must=None, bold=None, of="latency_us", name=None):
    return Metric(name or percentile, "µs", "lower", must, bold, path(of, percentile))


def lower(name, unit, must, bold, read):
    return Metric(name, unit, "lower", must, bold, read)


def higher(name, unit, must, bold, read):
    return Metric(name, unit, "higher", must, bold, read)


def at_most(name, must, bold, read):
    """Regent against itself, below 1 is better."""
    return Metric(name, "×", "lower", must, bold, read, own=True)


def at_least(name, must, bold, read):
    """Regent against itself, above 1 is better."""
    return Metric(name, "×", "higher", must, bold, read, own=True)
