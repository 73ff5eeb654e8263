"""Members killed, stopped and restarted in every way that three should survive, under load."""
import os
import signal
import time

from load import Load
from members import Failed


def through_each(cluster, options):
    for number, writer in enumerate(cluster.members):
        if not writer.client().put(f"each/{number}", "value"):
            raise Failed(f"no write through {writer.name}")
        for reader in cluster.members:
            keys = reader.client().keys("each/")
            if keys is None or len(keys) != number + 1:
                raise Failed(f"what was written through {writer.name} is not seen at once through {reader.name}: {keys}")
    return ""


def kill_follower(cluster, options):
    with Load(cluster) as load:
        time.sleep(0.5)
        for victim in cluster.followers():
            moment = time.monotonic()
            victim.end("SIGKILL")
            load.await_write_after(moment + 0.02, patience=5)
            time.sleep(0.5)
            victim.start()
            cluster.await_serving([victim])
    return f"{load}"


def rolling_restart(cluster, options):
    with Load(cluster) as load:
        time.sleep(0.5)
        for member in cluster.members:
            member.end("SIGTERM")
            member.start()
            cluster.await_serving([member])
    return f"{load}"


def all_killed(cluster, options):
    with Load(cluster) as load:
        for _ in range(3):
            time.sleep(0.7)
            for member in cluster.members:
                member.end("SIGKILL")
            for member in cluster.members:
                member.start()
            cluster.await_serving()
    return f"{load}"


def stopped_leader(cluster, options):
    """SIGSTOP: the connections stand, and nothing comes."""
    with Load(cluster) as load:
        time.sleep(0.5)
        victim = cluster.leader()
        moment = time.monotonic()
        os.kill(victim.process.pid, signal.SIGSTOP)
        load.await_write_after(moment + 0.1)
        gap = load.await_write_after(moment + 0.1)
        time.sleep(1)
        os.kill(victim.process.pid, signal.SIGCONT)
        cluster.await_serving()
    return f"writes went on after {gap:.1f} s, {load}"
