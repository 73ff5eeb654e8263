"""Real processes with etcd's flags, on the loopback or in a network with cables to cut, and clients that speak JSON to them."""
import base64
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PATIENCE = 60


class Failed(Exception):
    """A scenario did not hold; the text says what was expected."""


def binary_of(server):
    if server == "etcd":
        return os.path.join(ROOT, "out/tools/etcd")
    return os.environ.get("SERVER") or os.path.join(ROOT, "build/release/server/regent")


def free_ports(count):
    """Free at this moment; below those that the kernel gives to clients."""
    ports, candidate = [], 21000 + os.getpid() % 4000
    while len(ports) < count:
        candidate += 1
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", candidate))
            except OSError:
                continue
        ports.append(candidate)
    return ports


def text(data):
    return base64.b64encode(data.encode()).decode()


def plain(data):
    return base64.b64decode(data).decode()


class Client:
    """One connection; opened anew after an error. Without an answer of success it returns None, and `error` says what came instead."""

    def __init__(self, host, port, timeout=8):
        self.host, self.port, self.timeout, self.connection, self.error = host, port, timeout, None, ""

    def post(self, path, body):
        try:
            if self.connection is None:
                self.connection = http.client.HTTPConnection(self.host, self.port, timeout=self.timeout)
            self.connection.request("POST", path, json.dumps(body))
            response = self.connection.getresponse()
            answer = json.loads(response.read() or b"{}")
            if response.status == 200:
                return answer
            self.error = answer.get("message", str(response.status))
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.error = f"no answer: {error}"
            self.close()
        return None

    def close(self):
        if self.connection is not None:
            self.connection.close()
        self.connection = None

    def put(self, key, value):
        """The revision of the put."""
        answer = self.post("/v3/kv/put", {"key": text(key), "value": text(value)})
        return None if answer is None else int(answer["header"]["revision"])

    def get(self, key):
        """The value, its mod_revision and the revision of the state that was read; a value of None: there is no such key."""
        answer = self.post("/v3/kv/range", {"key": text(key)})
        if answer is None:
            return None
        revision = int(answer["header"]["revision"])
        kvs = answer.get("kvs", [])
        return (plain(kvs[0]["value"]), int(kvs[0]["mod_revision"]), revision) if kvs else (None, 0, revision)

    def keys(self, prefix, serializable=False):
        """The keys with this prefix."""
        end = prefix[:-1] + chr(ord(prefix[-1]) + 1)
        answer = self.post("/v3/kv/range", {"key": text(prefix), "range_end": text(end), "keys_only": True,
                                            "serializable": serializable})
        return None if answer is None else {plain(kv["key"]) for kv in answer.get("kvs", [])}

    def status(self):
        return self.post("/v3/maintenance/status", {})


class Member:
    def __init__(self, cluster, number):
        self.cluster, self.number, self.name = cluster, number, f"m{number}"
        network = cluster.network
        self.host = network.address(self.name) if network else "127.0.0.1"
        self.client_port, self.peer_port = free_ports_for(cluster)
        self.folder = os.path.join(cluster.folder, self.name)
        self.process = None

    @property
    def peer_url(self):
        return f"{'https' if self.cluster.peer_tls else 'http'}://{self.host}:{self.peer_port}"

    @property
    def client_url(self):
        return f"http://{self.host}:{self.client_port}"

    def start(self, state="new", initial=None, flags=()):
        os.makedirs(self.folder, exist_ok=True)
        inside = ["ip", "netns", "exec", self.name] if self.cluster.network else []
        command = [*inside, self.cluster.binary, f"--name={self.name}", f"--data-dir={self.folder}/data",
                   f"--listen-client-urls={self.client_url}", f"--advertise-client-urls={self.client_url}",
                   f"--listen-peer-urls={self.peer_url}", f"--initial-advertise-peer-urls={self.peer_url}",
                   f"--initial-cluster={initial or self.cluster.initial()}", f"--initial-cluster-state={state}",
                   "--initial-cluster-token=tests", *self.cluster.peer_tls, *self.cluster.flags, *flags]
        with open(os.path.join(self.folder, "server.log"), "a") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)

    def running(self):
        return self.process is not None and self.process.poll() is None

    def end(self, name="SIGKILL", patience=PATIENCE):
        """Returns how it ended."""
        if self.running():
            self.process.send_signal(getattr(signal, name))
        try:
            return self.process.wait(patience)
        except subprocess.TimeoutExpired:
            raise Failed(f"{self.name} did not end within {patience} s of {name}") from None

    def client(self, timeout=8):
        return Client(self.host, self.client_port, timeout)

    def wipe(self):
        shutil.rmtree(os.path.join(self.folder, "data"), ignore_errors=True)


def free_ports_for(cluster):
    while True:
        ports = [port for port in free_ports(40) if port not in cluster.ports_taken][:2]
        cluster.ports_taken.update(ports)
        return ports


class Cluster:
    """network: a Network that has a namespace for each member. peer_tls: the flags with which members speak TLS to each other."""

    def __init__(self, binary, folder, size=3, flags=(), network=None, peer_tls=()):
        self.binary, self.folder, self.flags, self.ports_taken = binary, folder, flags, set()
        self.network, self.peer_tls = network, peer_tls
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        self.members = []
        for number in range(1, size + 1):
            self.members.append(Member(self, number))

    def __enter__(self):
        for member in self.members:
            member.start()
        self.await_serving()
        return self

    def __exit__(self, *unused):
        for member in self.members:
            if member.running():
                member.process.kill()
                member.process.wait()

    def initial(self):
        return ",".join(f"{member.name}={member.peer_url}" for member in self.members)

    def await_serving(self, members=None, patience=PATIENCE):
        """Each answers a linearizable read."""
        end = time.monotonic() + patience
        for member in members or self.members:
            client = member.client(timeout=2)
            while client.keys("serving") is None:
                if not member.running():
                    raise Failed(f"{member.name} ended with {member.process.returncode}: see {member.folder}/server.log")
                if time.monotonic() > end:
                    raise Failed(f"{member.name} does not answer within {patience} s: {client.error}")
                time.sleep(0.02)

    def leader(self, patience=PATIENCE, among=None):
        """The one that says so of itself."""
        end = time.monotonic() + patience
        while time.monotonic() < end:
            for member in among or self.members:
                status = member.client(timeout=1).status() if member.running() else None
                if status and status.get("leader", "0") == status["header"]["member_id"]:
                    return member
            time.sleep(0.02)
        raise Failed(f"no leader within {patience} s")

    def followers(self):
        leader = self.leader()
        return [member for member in self.members if member is not leader]
