"""Rows 10 and 11: watchers, and one that is far behind."""
from metrics import at_most, higher, latency, lower, path
from rows import Group, Row
from sizes import count_text

UPDATES_PER_SECOND = 1000
SHARE_OF_MAXIMUM = 0.3  # of etcd's put rate, beside the watcher that is behind


def one_key(session):
    return session.watch(["--watchers", session.sizes.watchers, "--connections", 100] + session.duration())


def prefixes(session):
    return session.watch(["--watchers", 150, "--connections", 5, "--prefixes", 30, "--prev-kv", 1, "--rate",
                          UPDATES_PER_SECOND] + session.duration(), urgent=True)


def revisions(session):
    """One revision a put, so that the watcher has them all to read."""
    result = session.load(["--workload", "put", "--keys", session.sizes.keys, "--value-bytes", 256, "--clients", 512,
                           "--connections", 64, "--operations", session.sizes.revisions_behind, "--seconds", 3600,
                           "--warmup", 0])
    session.refuse_errors(result)


def behind(session):
    puts = ["--workload", "put", "--keys", session.sizes.keys, "--value-bytes", 256, "--clients", 4000, "--connections",
            64, "--rate", int(session.etcd_put_rate() * SHARE_OF_MAXIMUM)] + session.duration()
    without = session.load(puts, urgent=True)
    watcher = session.start("bench_watch", ["--behind", "/registry/bench/", "--seconds",
                                            session.sizes.seconds + session.sizes.warmup + 1], reluctant=True)
    beside = session.load(puts, urgent=True)
    watched = watcher.result()
    return {"without": without, "beside": beside, "watcher": watched, "loader_cpu_share": beside["loader_cpu_share"],
            "events_per_second": watched["events_per_second"],
            "p99_beside_to_without": beside["latency_us"]["p99"] / max(1, without["latency_us"]["p99"]),
            "errors": without["errors"] + beside["errors"] + watched["errors"],
            "first_error": watched.get("first_error") or beside.get("first_error") or without.get("first_error")}


def groups(sizes):
    a_run = sizes.seconds + sizes.warmup + 1
    event_cpu = ("server CPU", "µs/event", 2, 10, path("server_cpu_us_per_event"))
    return [
        Group([Row("10a", f"watch: 1 key × {count_text(sizes.watchers)} watchers",
                   [higher("delivered", "event/s", 2, 10, path("delivered_per_second")), lower(*event_cpu),
                    latency("p99", 2, 10)], one_key)], a_run + 3),
        Group([Row("10b", "watch: 5 × 30 prefixes, prev_kv, 1000/s", [lower(*event_cpu), latency("p99", 2, 10)],
                   prefixes)], a_run),
        Group([Row("11", f"a watcher {count_text(sizes.revisions_behind)} revisions behind",
                   [at_most("put p99 beside it / without", 1.5, 1.1, path("p99_beside_to_without")),
                    higher("events read", "event/s", None, None, path("events_per_second"))], behind)],
              2 * a_run + sizes.revisions_behind / 20_000, prepare=revisions),
    ]
