"""Rows 3, 6, 13: latencies beside load, in open loops."""
from metrics import at_most, cpu, latency, lower, path
from rows import Group, Row
from sizes import count_text

SHARE_OF_MAXIMUM = 0.6
RANGES_PER_SECOND = 1000
# What an open loop may have outstanding.
MANY = ["--clients", "4000", "--connections", "100"]


def puts_at_rate(session, keys, extra, members=1):
    rate = session.etcd_put_rate(members) * SHARE_OF_MAXIMUM
    return session.load(["--workload", "put", "--keys", keys, "--value-bytes", 256, "--rate", int(rate)] + MANY + extra,
                        urgent=True)


def ranges_beside_puts(session):
    keys = session.sizes.keys
    puts = session.start_load(["--workload", "put", "--keys", keys, "--value-bytes", 256, "--clients", 1000,
                               "--connections", 100] + session.duration(extra=1))
    ranges = session.load(["--workload", "range", "--keys", keys, "--clients", 1000, "--connections", 16,
                           "--rate", RANGES_PER_SECOND] + session.duration(), urgent=True)
    beside = puts.result()
    ranges["puts_per_second"] = beside["operations_per_second"]
    ranges["errors"] += beside["errors"]
    return ranges


def compactions(session):
    sizes = session.sizes
    result = puts_at_rate(session, sizes.large_keys, ["--compact-every", sizes.compact_every, "--seconds",
                                                      sizes.compact_seconds, "--warmup", sizes.warmup])
    result["inside_to_outside"] = result["inside_us"]["p99"] / max(1, result["outside_us"]["p99"])
    return result


def groups(sizes):
    a_run = sizes.seconds + sizes.warmup + 1
    return [
        Group([Row("3", f"put at {SHARE_OF_MAXIMUM:.0%} of etcd’s maximum", [latency("p99", 3, 10), latency("p99.9", 3, 10), cpu()],
                   lambda session: puts_at_rate(session, sizes.keys, session.duration()))], a_run),
        Group([Row("6", "linearizable range under full put load", [latency("p99", 5, 20)], ranges_beside_puts)],
              a_run + 1 + sizes.keys / 50_000, prepare=lambda session: session.fill(sizes.keys, 256)),
        Group([Row("13", f"compaction every {sizes.compact_every} s, {count_text(sizes.large_keys)} keys",
                   [at_most("put p99 in its window / outside", 1.3, 1.0, path("inside_to_outside")),
                    lower("its duration", "µs", 100, None, path("compactions_us", "p50"))], compactions)],
              sizes.compact_seconds + 1 + sizes.large_keys / 50_000,
              prepare=lambda session: session.fill(sizes.large_keys, 256), pairs_max=3),
    ]
