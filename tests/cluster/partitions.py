"""Cables that are cut, in both directions or in one, and a disk that is full, under load."""
import concurrent.futures
import contextlib
import os
import subprocess
import time

from load import Load
from members import Failed

ELECTED_SECONDS_MAX = 5
LARGE_VALUES, LARGE_BYTES = 700, 200_000
# What etcd answers when it cannot ask a quorum; which of them depends on what it knew at that moment, and on whether its gateway was quicker.
WITHOUT_QUORUM = {"etcdserver: request timed out", "context deadline exceeded", "etcdserver: no leader", "etcdserver: leader changed",
                  "etcdserver: request timed out, possibly due to previous leader failure",
                  "etcdserver: request timed out, possibly due to connection lost"}


def expect_refused(client, call, what):
    """Returns after how many seconds the call failed, and with which words."""
    begun = time.monotonic()
    answer = call()
    seconds = time.monotonic() - begun
    if answer is not None:
        raise Failed(f"{what} without a quorum is answered: {answer}")
    if client.error not in WITHOUT_QUORUM:
        raise Failed(f"{what} without a quorum fails with \"{client.error}\" after {seconds:.1f} s")
    return f"{what}: \"{client.error}\" after {seconds:.1f} s"


def partitioned(cluster, directions):
    """The leader is cut off; the others elect one within seconds, nothing stale is read through it, and healed it follows."""
    network = cluster.network
    with Load(cluster) as load:
        time.sleep(1)
        old = cluster.leader()
        others = [member for member in cluster.members if member is not old]
        moment = time.monotonic()
        for other in others:
            if "from" in directions:
                network.cut(old.name, other.name)
            if "to" in directions:
                network.cut(other.name, old.name)
        new = cluster.leader(among=others, patience=ELECTED_SECONDS_MAX + 5)
        elected = time.monotonic() - moment
        if elected > ELECTED_SECONDS_MAX:
            raise Failed(f"{new.name} leads only {elected:.1f} s after the partition")
        if new.client().put("partition", "seen by the majority") is None:
            raise Failed("the new leader takes no write")
        reader, writer = old.client(timeout=20), old.client(timeout=20)
        with concurrent.futures.ThreadPoolExecutor() as pool:
            refusals = [pool.submit(expect_refused, reader, lambda: reader.get("partition"), "a range through the old leader"),
                        pool.submit(expect_refused, writer, lambda: writer.put("partition", "lost"), "a put through the old leader")]
        said = [refusal.result() for refusal in refusals]
        time.sleep(3)  # the load goes on to ask the old leader
        network.heal()
        cluster.await_serving([old], patience=15)
        gap = load.gap_around(moment)
    found = old.client().get("partition")
    if found is None or found[0] != "seen by the majority":
        raise Failed(f"after the partition the old leader answers {found}")
    return f"a leader after {elected:.1f} s, writes paused {gap:.1f} s; {'; '.join(said)}; {load}"


def leader_cut_off(cluster, options):
    return partitioned(cluster, {"from", "to"})


def leader_that_cannot_send(cluster, options):
    return partitioned(cluster, {"from"})


def leader_that_cannot_receive(cluster, options):
    return partitioned(cluster, {"to"})


def without_a_follower(cluster, others):
    """It comes back without deposing the leader: who cannot win does not raise the term."""
    with Load(cluster) as load:
        time.sleep(1)
        leader = cluster.leader()
        before = leader.client().status()
        follower = cluster.followers()[0]
        for other in others(leader, follower):
            cluster.network.separate(follower.name, other.name)
        time.sleep(5)
        client = follower.client(timeout=20)
        said = expect_refused(client, lambda: client.get("register/0"), "a range through the follower")
        moment = time.monotonic()
        cluster.network.heal()
        cluster.await_serving([follower], patience=15)
        back = time.monotonic() - moment
        time.sleep(2)
        after = leader.client().status()
    if after is None or (after["leader"], after["raftTerm"]) != (before["leader"], before["raftTerm"]):
        raise Failed(f"the follower's return changed the leader: {before} and then {after}")
    return f"serves again after {back:.1f} s; {said}; {load}"


def follower_cut_off(cluster, options):
    return without_a_follower(cluster, lambda leader, follower: [member for member in cluster.members if member is not follower])


def follower_cut_off_from_the_leader(cluster, options):
    """The third member hears both, and keeps its leader."""
    return without_a_follower(cluster, lambda leader, follower: [leader])


@contextlib.contextmanager
def small_disk(path, megabytes):
    os.makedirs(path, exist_ok=True)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", path], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failed(f"a small disk is refused: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", path], check=True)


def fill(path):
    """Takes what is left of the disk, to the last byte."""
    with open(path, "ab", buffering=0) as ballast:
        for size in (1 << 20, 4096, 1):
            with contextlib.suppress(OSError):
                while ballast.write(b"b" * size):
                    pass


def full_disk_of_a_follower(cluster, options):
    """The others go on, with more than fits into what the member has set aside; with space again it has everything."""
    victim = cluster.followers()[0]
    victim.end("SIGTERM")
    disk = victim.folder + "/data"
    os.rename(disk, victim.folder + "/before")
    with small_disk(disk, 500):
        subprocess.run(["cp", "-a", victim.folder + "/before/.", disk], check=True)
        victim.start()
        cluster.await_serving([victim])
        with Load(cluster) as load:
            time.sleep(1)
            fill(disk + "/ballast")
            full = time.monotonic()
            client = cluster.leader().client()
            for number in range(LARGE_VALUES):
                if client.put(f"large/{number}", f"{number} " + "x" * LARGE_BYTES) is None:
                    raise Failed(f"with a full disk at one follower a put fails: {client.error}")
            behind = applied(cluster.leader()) - applied(victim) if victim.running() else None
            ended = not victim.running()
            os.remove(disk + "/ballast")
            if ended:  # as etcd does
                victim.start()
            cluster.await_serving([victim])
            gap = load.gap_around(full)
        found = victim.client().keys("large/")
        if found is None or len(found) != LARGE_VALUES:
            raise Failed(f"the member has {found and len(found)} of {LARGE_VALUES} values that were put while its disk was full")
        victim.end("SIGTERM")
    if not ended and behind < LARGE_VALUES / 10:
        raise Failed(f"the member is only {behind} entries behind: its disk was not full")
    return f"the member {'ended' if ended else f'fell {behind} entries behind'}; writes paused {gap:.1f} s; {load}"


def applied(member):
    return int(member.client().status()["raftAppliedIndex"])
