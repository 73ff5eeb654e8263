"""What a process holds in memory, and the most it held meanwhile."""
import threading

SAMPLE_SECONDS = 0.005


def read(pid):
    """In bytes: resident now, its peak, and the anonymous part now (a mapped file is not in that)."""
    names = {"VmRSS": "resident_bytes", "VmHWM": "resident_peak_bytes", "RssAnon": "anonymous_bytes"}
    result = {}
    with open(f"/proc/{pid}/status") as file:
        for line in file:
            name, _, rest = line.partition(":")
            if name in names:
                result[names[name]] = int(rest.split()[0]) * 1024
    return result


class Peak:
    """For a `with` statement: how far memory rises in it. The kernel keeps the peak of what is resident; the anonymous part
    is sampled."""

    def __init__(self, pid):
        self.pid = pid
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.sample)

    def __enter__(self):
        with open(f"/proc/{self.pid}/clear_refs", "w") as file:
            file.write("5")  # the peak begins anew
        self.before = read(self.pid)
        self.anonymous_peak = self.before["anonymous_bytes"]
        self.thread.start()
        return self

    def sample(self):
        while not self.stop.wait(SAMPLE_SECONDS):
            self.anonymous_peak = max(self.anonymous_peak, read(self.pid)["anonymous_bytes"])

    def __exit__(self, *unused):
        self.stop.set()
        self.thread.join()
        self.after = read(self.pid)

    def result(self):
        megabyte = 1e6
        least = 0.1  # below that it is noise of the sampling, and a ratio to it means nothing
        return {"peak_mb": self.after["resident_peak_bytes"] / megabyte,
                "extra_resident_mb": max(least, (self.after["resident_peak_bytes"] - self.before["resident_bytes"]) / megabyte),
                "extra_anonymous_mb": max(least, (self.anonymous_peak - self.before["anonymous_bytes"]) / megabyte)}
