"""How long nobody can write when the leader is killed, and when its leadership is moved: Regent beside etcd."""
import concurrent.futures
import datetime
import itertools
import json
import math
import os
import statistics
import subprocess
import threading
import time

from load import Load
from membership import etcdctl, id_of
from members import ROOT, Cluster, Failed, binary_of

MOVES = 10
PROBE_SECONDS = 0.02
MOVE_MILLISECONDS_MAX = 100


class Probe:
    """A new put every PROBE_SECONDS, whatever became of those before: requests that are stuck do not make the pause look longer."""

    def __init__(self, cluster, load):
        self.cluster, self.load, self.stopping = cluster, load, threading.Event()
        self.pool = concurrent.futures.ThreadPoolExecutor(max_workers=400)
        self.thread = threading.Thread(target=self.submit, daemon=True)

    def submit(self):
        for member in itertools.cycle(self.cluster.members):
            if self.stopping.wait(PROBE_SECONDS):
                return
            self.pool.submit(self.put, member)

    def put(self, member):
        client = member.client(timeout=3)
        if client.put("probe", member.name) is not None:
            with self.load.lock:
                self.load.times.append(time.monotonic())
        client.close()

    def __enter__(self):
        self.thread.start()

    def __exit__(self, *unused):
        self.stopping.set()
        self.thread.join()
        self.pool.shutdown()


def kill_leaders(cluster, count):
    """The pauses in milliseconds, and the load."""
    gaps = []
    with Load(cluster) as load, Probe(cluster, load):
        time.sleep(1)
        for _ in range(count):
            victim = cluster.leader()
            moment = time.monotonic()
            victim.end("SIGKILL")
            load.await_write_after(moment + 0.02)
            time.sleep(1.5)
            gaps.append(load.gap_around(moment) * 1000)
            victim.start()
            cluster.await_serving([victim])
            time.sleep(1)
    return gaps, load


def summary(gaps):
    gaps = sorted(gaps)
    return {"count": len(gaps), "median_ms": round(statistics.median(gaps)), "p99_ms": round(gaps[math.ceil(len(gaps) * 0.99) - 1]),
            "longest_ms": round(gaps[-1]), "all_ms": [round(gap) for gap in gaps]}


def failover(options):
    """kill -9 of the leader under load, Regent and etcd in one run; the numbers go to out/cluster/failover.json."""
    commit = subprocess.run(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    record = {"date": datetime.date.today().isoformat(), "commit": commit, "cores": os.cpu_count()}
    lines = []
    for server in ("regent", "etcd"):
        with Cluster(binary_of(server), os.path.join(ROOT, "out/cluster", server, "failover")) as cluster:
            gaps, load = kill_leaders(cluster, options.kills)
        record[server] = found = summary(gaps)
        lines.append(f"| {server} | {found['count']} | {found['median_ms']} | {found['p99_ms']} | {found['longest_ms']} | {len(load.acknowledged)} |")
    with open(os.path.join(ROOT, "out/cluster/failover.json"), "w", encoding="ascii") as file:
        json.dump(record, file, indent=1)
    return "\n".join(["writes paused, in ms:", "| Server | Kills of the leader | Median | p99 | Longest | Writes kept |", "|---|---|---|---|---|---|", *lines])


def planned_transfer(cluster, options):
    """etcdctl move-leader under load. A busy machine may delay one of them; half of them must be quick."""
    gaps = []
    with Load(cluster) as load:
        time.sleep(1)
        for _ in range(MOVES):
            leader, target = cluster.leader(), cluster.followers()[0]
            identifier = id_of(cluster.members, target.name)
            moment = time.monotonic()
            etcdctl([leader], "move-leader", identifier)
            if cluster.leader() is not target:
                raise Failed(f"{target.name} does not lead after move-leader")
            time.sleep(0.5)
            gaps.append(load.gap_around(moment, seconds=0.5) * 1000)
    found = summary(gaps)
    if options.server == "regent" and found["median_ms"] > MOVE_MILLISECONDS_MAX:
        raise Failed(f"writes pause {found['median_ms']} ms (median) when the leadership is moved, more than {MOVE_MILLISECONDS_MAX}")
    return f"{MOVES} moves, writes paused {found['median_ms']} ms (median), {found['longest_ms']} ms (longest); {load}"
