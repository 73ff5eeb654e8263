"""Two of three are lost: what goes on, what fails and how, and that it all comes back."""
import time

from load import Load
from members import Failed
from partitions import expect_refused

GROWTH_MEGABYTES_MAX = 200
# A request waits 5 s and two election timeouts, 7 s; in etcd a range may first wait as long for the batch of ranges before it. The rest is for a
# busy machine.
DEADLINE_SECONDS = {"regent": 10, "etcd": 17}


def resident_megabytes(member):
    with open(f"/proc/{member.process.pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS:")) / 1024


def expect_in_time(client, call, what, deadline):
    begun = time.monotonic()
    said = expect_refused(client, call, what)
    if time.monotonic() - begun > deadline:
        raise Failed(f"{what} without a quorum takes longer than {deadline} s")
    return said


def two_lost(cluster, options):
    seconds = 600 if options.tier == "full" else 60
    deadline = DEADLINE_SECONDS[options.server]
    with Load(cluster) as load:
        time.sleep(2)
        survivor, *victims = cluster.members
        client = survivor.client(timeout=30)
        for victim in victims:
            victim.end("SIGKILL")
        lost = time.monotonic()
        before = peak = resident_megabytes(survivor)
        said = []
        while time.monotonic() < lost + seconds:
            if client.keys("load/", serializable=True) is None:
                raise Failed(f"serializable reads do not go on without a quorum: {client.error}")
            said = [expect_in_time(client, lambda: client.get("register/0"), "a range", deadline),
                    expect_in_time(client, lambda: client.put("alone", "value"), "a put", deadline)]
            peak = max(peak, resident_megabytes(survivor))
        if peak > before + GROWTH_MEGABYTES_MAX:
            raise Failed(f"the survivor grew from {before:.0f} to {peak:.0f} MB")
        victims[0].start()
        returned = time.monotonic()
        cluster.await_serving([survivor, victims[0]])
        load.await_write_after(returned)
        back = time.monotonic() - returned
        load.check()
        victims[1].start()
        cluster.await_serving()
    return f"{seconds} s: {'; '.join(said)}; {before:.0f} MB and at most {peak:.0f} MB; writes {back:.1f} s after one returned; {load}"
