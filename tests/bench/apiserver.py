"""An unmodified kube-apiserver on the server under test."""
import concurrent.futures
import http.client
import json
import os
import random
import signal
import ssl
import subprocess
import threading
import time

from servers import BenchError, free_ports

TOKEN = "bench"
OBJECTS = "/api/v1/namespaces/default/configmaps"
CLIENTS = 16
READY_PATIENCE_SECONDS = 180


class ApiServer:
    def __init__(self, binary, datastore, folder):
        self.binary, self.folder = binary, folder
        self.port, = free_ports(1)
        self.process = None
        self.connections = threading.local()
        os.makedirs(folder, exist_ok=True)
        key = os.path.join(folder, "sa.key")
        for command in (["openssl", "genrsa", "-out", key, "2048"],
                        ["openssl", "rsa", "-in", key, "-pubout", "-out", os.path.join(folder, "sa.pub")]):
            subprocess.run(command, check=True, capture_output=True)
        with open(os.path.join(folder, "tokens.csv"), "w") as file:
            file.write(f'{TOKEN},admin,admin-uid,"system:masters"\n')
        self.flags = [f"--etcd-servers=http://{datastore}", "--bind-address=127.0.0.1", f"--secure-port={self.port}",
                      "--advertise-address=10.10.10.10", f"--cert-dir={folder}/certs", f"--token-auth-file={folder}/tokens.csv",
                      "--authorization-mode=RBAC", "--service-account-issuer=https://kubernetes.default.svc",
                      f"--service-account-key-file={folder}/sa.pub", f"--service-account-signing-key-file={key}"]

    def start(self):
        """Returns how long it took until it was ready and had listed the objects."""
        begin = time.monotonic()
        with open(os.path.join(self.folder, "kube-apiserver.log"), "a") as log:
            self.process = subprocess.Popen([self.binary] + self.flags, stdout=log, stderr=log, start_new_session=True)
        while time.monotonic() < begin + READY_PATIENCE_SECONDS:
            if self.process.poll() is not None:
                raise BenchError(f"kube-apiserver ended; see {self.folder}/kube-apiserver.log")
            try:
                if self.request("GET", "/readyz")[0] == 200 and self.request("GET", OBJECTS + "?limit=1")[0] == 200:
                    return time.monotonic() - begin
            except OSError:
                pass
            time.sleep(0.05)
        raise BenchError(f"kube-apiserver did not become ready; see {self.folder}/kube-apiserver.log")

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()

    def request(self, method, path, body=None):
        """One request on this thread's connection; a broken one is made anew by the next request."""
        connection = getattr(self.connections, "connection", None)
        if connection is None:
            context = ssl._create_unverified_context()  # the certificate is made by the server at its start
            connection = self.connections.connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=60,
                                                                                   context=context)
        try:
            connection.request(method, path, body, {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"})
            response = connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            self.connections.connection = None
            raise OSError(str(error)) from error

    def create(self, count, seed):
        """How many were not created."""
        def one(number):
            text = "".join(random.Random(seed * 1_000_003 + number).choices("0123456789abcdef", k=1024))
            body = json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"object-{number:06}"},
                               "data": {"text": text}})
            return self.request("POST", OBJECTS, body)[0] == 201
        with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
            return count - sum(pool.map(one, range(count)))

    def count_listed(self, page_limit):
        """Through all objects: at once with 0, otherwise page by page."""
        seen, continue_at = 0, ""
        while True:
            status, text = self.request("GET", f"{OBJECTS}?limit={page_limit}&continue={continue_at}")
            if status != 200:
                raise BenchError(f"a list was answered with {status}: {text[:200]}")
            answer = json.loads(text)
            seen += sum(1 for item in answer["items"] if item["metadata"]["name"].startswith("object-"))
            continue_at = answer["metadata"].get("continue", "")
            if not continue_at:
                return seen
