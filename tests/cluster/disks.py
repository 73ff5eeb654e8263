"""One member's disk is full, under load."""
import contextlib
import os
import subprocess
import time

from load import Load
from members import Failed
from membership import etcdctl, id_of

LARGE_VALUES, LARGE_BYTES = 700, 200_000


@contextlib.contextmanager
def small_disk(cluster, victim, megabytes):
    """The member's data moves to a disk of its own. Yields the path of a file there that may fill it up."""
    disk = victim.folder + "/data"
    victim.end("SIGTERM")
    os.rename(disk, victim.folder + "/before")
    os.makedirs(disk)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", disk], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failed(f"a small disk is refused: {done.stderr.strip()}")
    try:
        subprocess.run(["cp", "-a", victim.folder + "/before/.", disk], check=True)
        victim.start()
        cluster.await_serving([victim])
        yield disk + "/ballast"
        victim.end("SIGTERM")
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True)


def fill(path):
    """Takes what is left of the disk, to the last byte."""
    with open(path, "ab", buffering=0) as ballast:
        for size in (1 << 20, 4096, 1):
            with contextlib.suppress(OSError):
                while ballast.write(b"b" * size):
                    pass


def put_large_values(client):
    """Returns how many got in; the client has the error of the next."""
    for number in range(LARGE_VALUES):
        if client.put(f"large/{number}", f"{number} " + "x" * LARGE_BYTES) is None:
            return number
    return LARGE_VALUES


def full_disk_of_a_follower(cluster, options):
    """The others go on, with more than fits into what the member has set aside; with space again it has everything."""
    victim = cluster.followers()[0]
    with small_disk(cluster, victim, 500) as ballast:
        with Load(cluster) as load:
            time.sleep(1)
            fill(ballast)
            full = time.monotonic()
            client = cluster.leader().client()
            if put_large_values(client) < LARGE_VALUES:
                raise Failed(f"with a full disk at one follower a put fails: {client.error}")
            behind = applied(cluster.leader()) - applied(victim) if victim.running() else None
            ended = not victim.running()
            os.remove(ballast)
            if ended:  # as etcd does
                victim.start()
            cluster.await_serving([victim])
            gap = load.gap_around(full)
        found = victim.client().keys("large/")
        if found is None or len(found) != LARGE_VALUES:
            raise Failed(f"the member has {found and len(found)} of {LARGE_VALUES} values that were put while its disk was full")
    if not ended and behind < LARGE_VALUES / 10:
        raise Failed(f"the member is only {behind} entries behind: its disk was not full")
    return f"the member {'ended' if ended else f'fell {behind} entries behind'}; writes paused {gap:.1f} s; {load}"


def full_disk_of_the_leader(cluster, options):
    """Another member takes over and all writes go on, as where the leader ends; with space again it has everything."""
    victim = cluster.members[0]
    with small_disk(cluster, victim, 500) as ballast:
        with Load(cluster) as load:
            if cluster.leader() is not victim:
                etcdctl([cluster.leader()], "move-leader", id_of(cluster.members, victim.name))
            time.sleep(1)
            fill(ballast)
            full = time.monotonic()
            with contextlib.suppress(Failed):  # it may end while it is asked
                put_large_values(victim.client())
            deadline = time.monotonic() + 10
            while victim.running() and cluster.leader() is victim:
                if time.monotonic() > deadline:
                    raise Failed("the member with a full disk leads on")
                time.sleep(0.1)
            ended = not victim.running()
            others = [member for member in cluster.members if member is not victim]
            cluster.await_serving(others)
            client = others[0].client(timeout=10)
            if put_large_values(client) < LARGE_VALUES:
                raise Failed(f"with a full disk at the former leader a put fails: {client.error}")
            if "alarm:NOSPACE" in etcdctl(others, "alarm", "list"):
                raise Failed("there is an alarm though two members have room")
            os.remove(ballast)
            if ended:
                victim.start()
            cluster.await_serving()
            gap = load.gap_around(full)
        found = victim.client().keys("large/")
        if found is None or len(found) != LARGE_VALUES:
            raise Failed(f"the member has {found and len(found)} of {LARGE_VALUES} values that were put while its disk was full")
    return f"the member {'ended' if ended else 'handed its leadership over'}; writes paused {gap:.1f} s; {load}"


def applied(member):
    return int(member.client().status()["raftAppliedIndex"])
