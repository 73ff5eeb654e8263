"""Row 7: lists of large objects.

The server is restarted before each way of listing, so that no list finds the memory of the one before. Then everything is
read once in small pages: caches hold what they want to hold (etcd reads its whole file when it starts), and what a list
takes beyond that is its own.
"""
from metrics import lower, path, scaled
from rows import Group, Row
from sizes import count_text

VALUE_BYTES = 10 * 1024
SMALL_PAGE = 20
ONE_LIST = 10_000  # more than one request returns only if there were more objects


def listing(workload, page_limit, clients):
    def run(session):
        sizes = session.sizes
        session.server.restart()
        session.refuse_errors(session.load(["--workload", "page", "--page-limit", SMALL_PAGE, "--seconds", 3600, "--warmup", 0,
                                            "--operations", -(-sizes.list_objects // SMALL_PAGE)]))
        with session.server.memory_peak() as memory:
            result = session.load(["--workload", workload, "--page-limit", page_limit, "--clients", clients,
                                   "--connections", clients, "--operations", sizes.lists * clients, "--seconds", 3600,
                                   "--warmup", 0])
        return result | memory.result()
    return run


def groups(sizes):
    what = f"LIST {count_text(sizes.list_objects)} × 10 KiB"
    ways = [("7a", "whole", "page", 0, 1), ("7b", "pages of 10,000", "page", ONE_LIST, 1),
            ("7c", "RangeStream", "stream", 0, 1), ("7d", "whole, 5 at once", "page", 0, 5)]
    metrics = [lower("server CPU", "ms/list", 2, 3, scaled(0.001, "server_cpu_us_per_operation")),
               lower("peak extra memory", "MB", 5, 50, path("extra_resident_mb")),
               lower("of it anonymous", "MB", None, None, path("extra_anonymous_mb")),
               lower("peak memory in all", "MB", None, None, path("peak_mb"))]
    rows = [Row(name, f"{what}, {way}", metrics, listing(workload, limit, clients))
            for name, way, workload, limit, clients in ways]
    return [Group(rows, 10 + sizes.list_objects / 500,
                  prepare=lambda session: session.fill(sizes.list_objects, VALUE_BYTES))]
