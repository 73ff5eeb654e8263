"""What the scenarios rely on, with planted mistakes that it must find."""
import subprocess
import sys
import time

import history
from load import REGISTERS, Load
from members import Failed
from network import Network
from partitions import expect_refused


def must_fail(check, words):
    try:
        check()
    except Failed as failure:
        if words in str(failure):
            return
        raise Failed(f"\"{words}\" is expected of a planted mistake: {failure}") from None
    raise Failed(f"a planted mistake is not found: {words}")


def history_check(options):
    """Violations of linearizability, without servers."""
    wrong = history.checks_itself()
    if wrong:
        raise Failed("; ".join(wrong))
    return f"{len(history.PLANTED)} planted violations found"


def load_check(cluster, options):
    """A write that is lost, a stale read, and a quorum that is there where none should be."""
    with Load(cluster) as load:
        time.sleep(1)
    load.check()
    load.acknowledged.add("load/lost")
    must_fail(load.check, "1 acknowledged writes are not seen")
    load.acknowledged.remove("load/lost")
    now = time.monotonic()
    load.history.append(history.Operation("range", REGISTERS[0], None, now, now, 1))
    must_fail(load.check, "not linearizable")
    client = cluster.members[0].client()
    must_fail(lambda: expect_refused(client, lambda: client.put("key", "value"), "a put"), "is answered")
    return "3 planted mistakes found"


RECEIVE = """
import socket
with socket.socket(type=socket.SOCK_DGRAM) as here:
    here.bind(("0.0.0.0", 9))
    print("bound", flush=True)
    input()  # until something was sent
    here.settimeout(0.2)
    try:
        print(here.recv(9).decode())
    except TimeoutError:
        print("nothing")
"""


def reaches(cables, sender, receiver):
    inside = ["ip", "netns", "exec"]
    with subprocess.Popen([*inside, receiver, sys.executable, "-c", RECEIVE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as waiting:
        waiting.stdout.readline()
        send = f"import socket; socket.socket(type=socket.SOCK_DGRAM).sendto(b'hello', ('{cables.address(receiver)}', 9))"
        subprocess.run([*inside, sender, sys.executable, "-c", send], check=True)
        return waiting.communicate("sent\n")[0].strip() == "hello"


def cables_check(options):
    """A cut is in one direction, between two, and mended."""
    with Network(["m1", "m2", "m3"]) as cables:
        pairs = [("m1", "m2"), ("m2", "m1"), ("m1", "m3")]
        for expected, change in [([True, True, True], lambda: None), ([False, True, True], lambda: cables.cut("m1", "m2")),
                                 ([True, True, True], cables.heal), ([False, False, True], lambda: cables.separate("m1", "m2"))]:
            change()
            found = [reaches(cables, *pair) for pair in pairs]
            if found != expected:
                raise Failed(f"the cables {pairs} carry {found}, not {expected}")
    return "4 states of the network"
