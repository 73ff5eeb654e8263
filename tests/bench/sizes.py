"""How much of everything: for a result, for a quick look, and with the large sizes that take hours."""

MIB = 1024 * 1024


class Sizes:
    """Seconds are those of one measurement."""

    def __init__(self, options):
        quick = options.quick
        self.quick, self.large, self.seed = quick, options.large, options.seed
        self.pairs = options.pairs or (1 if quick else 5)
        self.seconds = options.seconds or (2 if quick else 10)
        self.warmup = 0.5 if quick else 1
        self.keys = options.keys or (10_000 if quick else 100_000)
        self.large_keys = options.large_keys or (50_000 if quick else 1_000_000)
        self.list_objects = 1_000 if quick else 10_000
        self.lists = 4 if quick else 10
        self.watchers = 1_000 if quick else 10_000
        self.revisions_behind = 20_000 if quick else 500_000
        self.memory_keys = [50_000] if quick else [1_000_000] + ([10_000_000] if options.large else [])
        self.compact_every = 3 if quick else 60
        self.compact_seconds = 6 if quick else 120
        self.restart_bytes = [64 * MIB] if quick else [1024 * MIB] + ([8192 * MIB] if options.large else [])
        self.restarts = 1 if quick else 3
        self.overwrite_bytes = 32 * MIB if quick else 1024 * MIB
        self.overwrites = 3 if quick else 10
        self.leases = 5_000 if quick else 100_000
        self.lease_lead = 10 if quick else 60
        self.renewals = 10_000 if quick else 50_000
        self.idle_connections = 1_000 if quick else 10_000
        self.objects = 200 if quick else 10_000

    def settings(self):
        """What must be equal for an earlier run to count: not how many pairs there are, nor the large sizes."""
        return {name: value for name, value in vars(self).items()
                if name not in ("pairs", "large", "memory_keys", "restart_bytes")}


def size_text(count):
    """1 GiB, 64 MiB."""
    return f"{count // (1024 * MIB)} GiB" if count % (1024 * MIB) == 0 else f"{count // MIB} MiB"


def count_text(count):
    """10 k, 1 M."""
    if count % 1_000_000 == 0:
        return f"{count // 1_000_000} M"
    return f"{count // 1000} k" if count % 1000 == 0 else str(count)
