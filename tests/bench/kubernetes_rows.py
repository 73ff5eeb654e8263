"""Row 20: what a cluster's API server feels. It does most of the work itself, so nobody can win much here."""
import os
import time

from apiserver import ApiServer
from metrics import lower, path
from rows import Group, Row
from servers import ROOT, BenchError
from sizes import count_text


def run(session):
    objects = session.sizes.objects
    binary = os.path.join(ROOT, "out/tools/kube-apiserver")
    if not os.path.exists(binary):
        raise BenchError(f"{binary} is not there: tests/tools/build kubernetes")
    api = ApiServer(binary, session.server.endpoint, os.path.join(session.server.folder, "apiserver"))
    try:
        first_start = api.start()
        begin = time.monotonic()
        missing = api.create(objects, session.sizes.seed)
        created = time.monotonic()
        for page_limit in (0, 500):
            missing += objects - api.count_listed(page_limit)
        listed = time.monotonic()
        api.kill()
        restart = api.start()
        missing += objects - api.count_listed(500)
        return {"first_start_seconds": first_start, "create_seconds": created - begin, "list_seconds": listed - created,
                "restart_seconds": restart, "errors": missing,
                "first_error": "an object was not created or not listed" if missing else None}
    finally:
        api.kill()


def groups(sizes):
    title = f"kube-apiserver, {count_text(sizes.objects)} objects"
    return [Group([Row("20", title, [lower("created in", "s", 1, None, path("create_seconds")),
                                     lower("listed in", "s", 1, None, path("list_seconds")),
                                     lower("restarted in", "s", 1, None, path("restart_seconds"))], run)],
                  25 + sizes.objects / 300)]
