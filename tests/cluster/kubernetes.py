"""kube-apiserver on all three members, while they are killed and restarted."""
import http.client
import json
import os
import ssl
import subprocess
import threading
import time

from canaries import must_fail
from load import Load
from members import ROOT, Failed, free_ports_for

TOKEN = "cluster"
START_PATIENCE = 120
READY_SECONDS_MAX = 5
CREATED_SECONDS_MAX = 15
NAMESPACE = "/api/v1/namespaces/default/configmaps"


class ApiServer:
    """The real one, as it comes. Its own certificate is made at its start; who it is does not matter here."""

    def __init__(self, cluster):
        self.folder = os.path.join(cluster.folder, "kube-apiserver")
        os.makedirs(self.folder)
        self.port = free_ports_for(cluster)[0]
        key, public = os.path.join(self.folder, "sa.key"), os.path.join(self.folder, "sa.pub")
        subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)
        subprocess.run(["openssl", "rsa", "-in", key, "-pubout", "-out", public], check=True, capture_output=True)
        with open(os.path.join(self.folder, "tokens.csv"), "w", encoding="ascii") as tokens:
            tokens.write(f'{TOKEN},admin,admin-uid,"system:masters"\n')
        self.command = [os.path.join(ROOT, "out/tools/kube-apiserver"),
                        "--etcd-servers=" + ",".join(member.client_url for member in cluster.members),
                        "--bind-address=127.0.0.1", f"--secure-port={self.port}", "--advertise-address=10.10.10.10",
                        f"--cert-dir={self.folder}/certs", f"--token-auth-file={self.folder}/tokens.csv", "--authorization-mode=RBAC",
                        "--service-account-issuer=https://kubernetes.default.svc", f"--service-account-key-file={public}",
                        f"--service-account-signing-key-file={key}"]
        self.process = None

    def __enter__(self):
        with open(os.path.join(self.folder, "log"), "w", encoding="ascii") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log, start_new_session=True)
        self.await_ready(time.monotonic(), START_PATIENCE)
        return self

    def __exit__(self, *unused):
        self.process.kill()
        self.process.wait()

    def client(self):
        return ApiClient(self.port)

    def await_ready(self, moment, patience):
        """Seconds from `moment` to the first 200 of a /readyz that was asked for afterwards."""
        client = self.client()
        while time.monotonic() < moment + patience:
            if client.call("GET", "/readyz")[0] == 200:
                return time.monotonic() - moment
            if self.process.poll() is not None:
                raise Failed(f"kube-apiserver ended: see {self.folder}/log")
            time.sleep(0.02)
        raise Failed(f"kube-apiserver is not ready within {patience} s: {client.call('GET', '/readyz?verbose')[1][-800:]}")


class ApiClient:
    def __init__(self, port):
        self.port, self.connection = port, None

    def call(self, method, path, body=None):
        """Status and text; status 0: no answer."""
        try:
            if self.connection is None:
                self.connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=10,
                                                              context=ssl._create_unverified_context())
            self.connection.request(method, path, body and json.dumps(body),
                                    {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"})
            response = self.connection.getresponse()
            return response.status, response.read().decode()
        except (OSError, http.client.HTTPException) as error:
            self.connection = None
            return 0, str(error)


class Objects:
    """Creates objects until the end of the `with`; those that were acknowledged must be listed then."""

    def __init__(self, server):
        self.server, self.stopping, self.acknowledged, self.times = server, threading.Event(), set(), []
        self.threads = [threading.Thread(target=self.create, args=(writer,), daemon=True) for writer in range(3)]

    def create(self, writer):
        client, count = self.server.client(), 0
        while not self.stopping.is_set():
            count += 1
            name = f"object-{writer}-{count}"
            status, _ = client.call("POST", NAMESPACE, {"metadata": {"name": name}, "data": {"count": str(count)}})
            if status == 201:
                self.times.append(time.monotonic())
                self.acknowledged.add(name)
            time.sleep(0.005)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, kind, *unused):
        self.stopping.set()
        for thread in self.threads:
            thread.join(30)
        if kind is None:
            self.check()

    def check(self):
        """A list without a resourceVersion is consistent: it comes from the datastore, or is as new."""
        status, text = self.server.client().call("GET", NAMESPACE)
        if status != 200:
            raise Failed(f"kube-apiserver lists nothing: {status} {text}")
        lost = self.acknowledged - {item["metadata"]["name"] for item in json.loads(text)["items"]}
        if lost or not self.acknowledged:
            raise Failed(f"{len(lost)} of {len(self.acknowledged)} acknowledged objects are not listed, {sorted(lost)[:3]} among them")

    def await_after(self, moment):
        """Seconds from `moment` to the first object that was created afterwards."""
        while time.monotonic() < moment + CREATED_SECONDS_MAX:
            later = [when for when in self.times[-1000:] if when > moment]
            if later:
                return later[0] - moment
            time.sleep(0.01)
        raise Failed(f"no object was created within {CREATED_SECONDS_MAX} s")


def kube_apiserver(cluster, options):
    """The leader and a follower are killed, all are restarted by turns: it is ready again within seconds, and no object is lost."""
    ready, created = [], []

    def interrupted(member, name):
        member.end(name)
        gone = time.monotonic()
        ready.append(server.await_ready(gone, READY_SECONDS_MAX))
        created.append(objects.await_after(gone))
        time.sleep(1)
        member.start()
        cluster.await_serving([member])

    with ApiServer(cluster) as server:
        with Load(cluster) as load, Objects(server) as objects:
            time.sleep(1)
            for _ in range(3 if options.tier == "full" else 1):
                interrupted(cluster.leader(), "SIGKILL")
                interrupted(cluster.followers()[0], "SIGKILL")
            for member in cluster.members:
                interrupted(member, "SIGTERM")
        kept = len(objects.acknowledged)
        objects.acknowledged.add("never-created")
        must_fail(objects.check, "acknowledged objects are not listed")
    return f"ready again after {', '.join(f'{seconds:.2f}' for seconds in ready)} s, objects created after {max(created):.2f} s at most; {kept} objects kept; {load}"


def kube_apiserver_over_tls(cluster, options):
    """The same with members that speak TLS to each other."""
    return kube_apiserver(cluster, options)
