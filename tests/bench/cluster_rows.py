"""Rows 3c and 17: three members on one machine, which share its cores and its disk."""
from latency_rows import SHARE_OF_MAXIMUM, puts_at_rate
from metrics import at_least, cpu, latency, path, rate
from rows import Group, Row

MEMBERS = 3
CLIENTS = 300


def puts(session):
    return session.load(["--workload", "put", "--keys", session.sizes.keys, "--value-bytes", 256, "--clients", CLIENTS,
                         "--connections", 60] + session.duration())


def puts_with_learner(session):
    """The rate with a learner beside the three, and how it compares with the rate without, on the same cluster.

    The learner is there before the load: one of etcd's that needs a snapshot repeats a refused request without a pause,
    656,000 times in two minutes, and does not catch up on a machine with two cores.
    """
    session.server.add_learner()
    result = puts(session)
    session.server.remove_learner()
    without = puts(session)
    result["with_to_without"] = result["operations_per_second"] / max(1, without["operations_per_second"])
    result["errors"] += without["errors"]
    return result


def groups(sizes):
    a_run = sizes.seconds + sizes.warmup + 4
    return [
        Group([Row("3c", f"3 members: put at {SHARE_OF_MAXIMUM:.0%} of etcd’s maximum",
                   [latency("p99", 3, 10), latency("p99.9", 3, 10), cpu()],
                   lambda session: puts_at_rate(session, sizes.keys, session.duration(), MEMBERS))], a_run, members=MEMBERS),
        Group([Row("17", f"3 members: put 256 B, {CLIENTS} clients", [rate(2, 4), cpu()], puts)], a_run, members=MEMBERS),
        Group([Row("17l", "3 members and a learner: put 256 B", [rate(), at_least("rate with / without it", None, None,
                                                                               path("with_to_without"))],
                   puts_with_learner)], 2 * a_run + 5, members=MEMBERS),
    ]
