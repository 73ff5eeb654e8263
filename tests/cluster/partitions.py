"""Cables that are cut, in both directions or in one, under load."""
import concurrent.futures
import time

from load import Load
from members import Failed

ELECTED_SECONDS_MAX = 5
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
