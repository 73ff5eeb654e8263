"""One side of one pair: a running server, and the load programs to point at it."""
import json
import os
import subprocess
import time

from servers import ROOT, BenchError


class Program:
    """A load program that runs; it prints one JSON object at its end."""

    def __init__(self, command):
        self.command = command
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def result(self):
        output, complaints = self.process.communicate()
        try:
            return json.loads(output)
        except ValueError:
            raise BenchError(f"{' '.join(self.command)}: {output}{complaints}") from None


class Session:
    def __init__(self, bench, side, server):
        self.bench, self.side, self.server, self.sizes = bench, side, server, bench.sizes

    def start(self, program, arguments, urgent=False, reluctant=False):
        """`urgent`: it measures latencies beside other load, so it must not wait for a core itself (where the user may
        ask for that). `reluctant`: whoever reads what it reads is in no hurry."""
        words = [str(word) for word in arguments]
        common = ["--endpoint", self.server.endpoint]
        if "--behind" not in words and program != "bench_probe":
            common += ["--server-pid", self.server.pids]
            if "--seed" not in words and program != "bench_idle":
                common += ["--seed", str(self.sizes.seed)]
        nice = ["nice", "-n", "-10" if urgent else "10"] if urgent or reluctant else []
        return Program(nice + [self.bench.program(program)] + common + words)

    def run(self, program, arguments, urgent=False):
        return self.start(program, arguments, urgent).result()

    def load(self, arguments, urgent=False):
        return self.run("bench_loader", arguments, urgent)

    def start_load(self, arguments):
        return self.start("bench_loader", arguments)

    def watch(self, arguments, urgent=False):
        return self.run("bench_watch", arguments, urgent)

    def duration(self, extra=0):
        return ["--seconds", self.sizes.seconds + extra, "--warmup", self.sizes.warmup]

    def fill_arguments(self, keys, value_bytes, seed=None):
        # Few bytes are under way: 64 values make a request, and a server may refuse what is too much at once.
        clients = 64 if value_bytes < 1024 else 8
        return ["--workload", "fill", "--keys", keys, "--value-bytes", value_bytes, "--clients", clients, "--connections", 8,
                "--seed", seed or self.sizes.seed]

    def fill(self, keys, value_bytes):
        result = self.load(self.fill_arguments(keys, value_bytes))
        self.refuse_errors(result)
        return result

    def refuse_errors(self, result):
        if result["errors"]:
            raise BenchError(f"{self.side}: preparing had {result['errors']} errors: {result.get('first_error')}")

    def settle(self, seconds):
        """Lets the server end what it does in the background."""
        time.sleep(seconds)

    def restart_until_read(self, signal_name):
        """How long it takes from the start of the process to the first linearizable read, and what the reader said."""
        self.server.stop(signal_name)
        key = "/registry/bench/0000000000"
        probe = self.start("bench_probe", ["--key", key, "--patience", 900])
        time.sleep(0.2)  # it is up and asks when the server comes
        begin = time.monotonic()
        self.server.launch()
        answer = probe.result()
        return answer["answered_at"] - begin, answer

    def etcd_put_rate(self, members=1):
        return self.bench.etcd_put_rate(members)


def program_path(name):
    override = os.environ.get("LOADERS", os.path.join(ROOT, "build/release/tests/bench"))
    path = os.path.join(override, name)
    if not os.path.exists(path):
        raise BenchError(f"{path} is not there")
    return path
