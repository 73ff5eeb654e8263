"""The rows of the comparison, in the order of the table."""


class Row:
    """`run` measures it once at one side (a Session) and returns its numbers; `errors` among them counts failed requests."""

    def __init__(self, name, title, metrics, run):
        self.name, self.title, self.metrics, self.run = name, title, metrics, run

    @property
    def number(self):
        return self.name.rstrip("abcdefghijklmnopqrstuvwxyz")


class Group:
    """Rows that are measured one after the other on one server. `prepare` loads it first; `seconds` is a guess of how
    long one side takes without waiting for a busy machine; `pairs_max` limits long ones. `members`: of a cluster."""

    def __init__(self, rows, seconds, prepare=None, pairs_max=None, flags=(), members=1):
        self.rows, self.seconds, self.prepare, self.pairs_max, self.flags = rows, seconds, prepare, pairs_max, list(flags)
        self.members = members

    def pairs(self, sizes):
        return min(sizes.pairs, self.pairs_max or sizes.pairs)


def all_groups(sizes):
    # Here, not above: those modules build their rows of the two classes.
    import cluster_rows
    import idle_rows
    import key_rows
    import kubernetes_rows
    import latency_rows
    import lease_rows
    import list_rows
    import size_rows
    import watch_rows
    modules = (key_rows, latency_rows, list_rows, watch_rows, size_rows, lease_rows, idle_rows, kubernetes_rows,
               cluster_rows)
    groups = [group for module in modules for group in module.groups(sizes)]
    return sorted(groups, key=lambda group: int(group.rows[0].number))


def chosen_groups(sizes, names):
    """Those with a row of these names, and only these rows; no names: all. "7" names 7a, 7b, …, too."""
    groups = []
    for group in all_groups(sizes):
        rows = [row for row in group.rows if not names or row.name in names or row.number in names]
        if rows:
            group.rows = rows
            groups.append(group)
    return groups
