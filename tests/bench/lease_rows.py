"""Row 16: leases that end together, and renewals."""
from metrics import higher, latency, lower, path
from rows import Group, Row
from sizes import count_text


def expiry(session):
    sizes = session.sizes
    return session.run("bench_lease", ["--mode", "expiry", "--leases", sizes.leases, "--lead", sizes.lease_lead], urgent=True)


def renewals(session):
    sizes = session.sizes
    return session.run("bench_lease", ["--mode", "renewals", "--leases", 10_000, "--connections", 100, "--renewal-rate",
                                       sizes.renewals] + session.duration(), urgent=True)


def groups(sizes):
    return [
        Group([Row("16a", f"{count_text(sizes.leases)} leases with a key end together",
                   [lower("last one gone late by", "s", 10, 50, path("lateness_max_seconds")),
                    latency("p99", 10, 50, of="puts_us", name="put p99 meanwhile")], expiry)],
              sizes.lease_lead + sizes.leases / 2000, pairs_max=3),
        Group([Row("16b", f"{count_text(sizes.renewals)} keepalives a second",
                   [higher("renewed", "1/s", None, None, path("renewals_per_second")),
                    lower("server CPU", "µs/op", None, None, path("server_cpu_us_per_renewal")),
                    latency("p99", 10, 50, of="puts_us", name="put p99 meanwhile")], renewals)],
              sizes.seconds + sizes.warmup + 3),
    ]
