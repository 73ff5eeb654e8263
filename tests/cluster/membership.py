"""Changes of members with etcdctl: as kubeadm makes them, and as operators replace a member whose disk is gone."""
import json
import os
import subprocess
import time

from load import Load
from members import ROOT, Failed, Member

PROMOTE_PATIENCE = 60
NOT_IN_SYNC = "etcdserver: can only promote a learner member which is in sync with leader"


class Refused(Failed):
    """etcdctl's answer was an error; it is kept as it was said."""


def etcdctl(members, *words):
    endpoints = ",".join(member.client_url for member in members)
    done = subprocess.run([os.path.join(ROOT, "out/tools/etcdctl"), "--endpoints=" + endpoints, *words],
                          capture_output=True, text=True, timeout=60, check=False)
    if done.returncode != 0:
        raise Refused(f"etcdctl {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


def member_list(members):
    return json.loads(etcdctl(members, "member", "list", "-w", "json"))["members"]


def id_of(members, name):
    return next(format(member["ID"], "x") for member in member_list(members) if member.get("name") == name)


def expect_error(text, members, *words):
    try:
        etcdctl(members, *words)
    except Refused as refused:
        if text not in str(refused):
            raise Failed(f"\"{text}\" is expected: {refused}") from None
        return
    raise Failed(f"etcdctl {' '.join(words)} passes; \"{text}\" is expected")


def settled(action):
    """Retries while a change of members is refused because a member has not been connected for five seconds."""
    end = time.monotonic() + 30
    while True:
        try:
            return action()
        except Refused as refused:
            if "unhealthy cluster" not in str(refused) or time.monotonic() > end:
                raise
            time.sleep(0.5)


def other_second():
    """etcd makes the id of an added member from its URLs and the second: in the same second it would be one that is known already."""
    time.sleep(1.1)


def promote(members, identifier):
    """As kubeadm: every 500 ms until it is in sync; another error ends it. Returns how often it was not."""
    end, refusals = time.monotonic() + PROMOTE_PATIENCE, 0
    while True:
        try:
            etcdctl(members, "member", "promote", identifier)
            return refusals
        except Refused as refused:
            if NOT_IN_SYNC not in str(refused) or time.monotonic() > end:
                raise
            refusals += 1
            time.sleep(0.5)


def join_as_learner(cluster, joiner):
    """What "kubeadm join --control-plane" does. Returns how often the promotion was refused."""
    before = list(cluster.members)
    other_second()
    settled(lambda: etcdctl(before, "member", "add", joiner.name, "--learner", "--peer-urls=" + joiner.peer_url))
    other_second()
    expect_error("etcdserver: Peer URLs already exists", before, "member", "add", joiner.name, "--learner", "--peer-urls=" + joiner.peer_url)
    listed = member_list(before)
    added = next(member for member in listed if member.get("isLearner"))
    if added["peerURLs"] != [joiner.peer_url] or added.get("name"):
        raise Failed(f"the added member is listed as {added}")
    identifier = format(added["ID"], "x")
    expect_error(NOT_IN_SYNC, before, "member", "promote", identifier)  # it does not even run
    cluster.members.append(joiner)
    joiner.start(state="existing", initial=",".join(f"{member.get('name') or joiner.name}={member['peerURLs'][0]}" for member in listed))
    refusals = 1 + promote(before, identifier)
    cluster.await_serving([joiner])
    expect_error("etcdserver: can only promote a learner member", before, "member", "promote", identifier)
    if any(member.get("isLearner") for member in member_list(cluster.members)):
        raise Failed("the promoted member is listed as a learner")
    etcdctl(cluster.members, "endpoint", "health")
    return refusals


def kubeadm_sequence(cluster, options):
    """From one member to three and back: join, join, then reset of the leader and of another one."""
    refusals = 0
    with Load(cluster) as load:
        time.sleep(0.5)
        for number in (2, 3):
            refusals += join_as_learner(cluster, Member(cluster, number))
        expect_error("etcdserver: member not found", cluster.members, "member", "remove", "1234567890abcdef")
        third = cluster.members[2]
        if cluster.leader() is not third:
            etcdctl([cluster.leader()], "move-leader", id_of(cluster.members, third.name))
        for leaver in (third, cluster.members[1]):
            rest = [member for member in cluster.members if member is not leaver]
            identifier = id_of(rest, leaver.name)
            settled(lambda: etcdctl(rest, "member", "remove", identifier))
            cluster.members.remove(leaver)
            leaver.end("SIGTERM")
            cluster.await_serving()
            expect_error("etcdserver: member not found", rest, "member", "remove", identifier)
            etcdctl(rest, "endpoint", "health")
        load.await_write_after(time.monotonic())
    return f"{refusals} promotions refused until in sync; {load}"


def replaced_member(cluster, options):
    """A member whose disk is gone: remove, add, start with --initial-cluster-state=existing; as a voter, then as a learner."""
    with Load(cluster) as load:
        for learner in (False, True):
            victim = cluster.followers()[0]
            victim.end("SIGKILL")
            victim.wipe()
            rest = [member for member in cluster.members if member is not victim]
            identifier = id_of(rest, victim.name)
            settled(lambda: etcdctl(rest, "member", "remove", identifier))
            if learner:
                cluster.members.remove(victim)
                join_as_learner(cluster, victim)
            else:
                other_second()
                settled(lambda: etcdctl(rest, "member", "add", victim.name, "--peer-urls=" + victim.peer_url))
                victim.start(state="existing")
                cluster.await_serving([victim])
    return str(load)
