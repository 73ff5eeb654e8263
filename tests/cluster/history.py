"""Whether a recorded history of a few registers is linearizable.

Every put of a register has a value of its own, and etcd gives the whole order away: the revision in the header of a put is its place, that of a
range is the state it saw. So nothing has to be searched for; it is enough to hold that order against the clock and against what was read.
"""
import bisect
import collections
from typing import NamedTuple, Optional

FOREVER = float("inf")


class Operation(NamedTuple):
    kind: str  # "put" or "range"
    key: str
    value: Optional[str]  # None: a range that found no such key
    begun: float
    ended: float  # FOREVER: a put without an answer, which may have happened or not
    revision: int  # of the answer's header; 0: no answer
    mod_revision: int = 0  # of what a range found


def violations(history):
    """Yields a sentence for each violation."""
    history = [*reveal(history)]
    yield from against_the_clock(history)
    yield from against_the_puts(history)


def reveal(history):
    """A put without an answer whose value was read has happened, and the range says at which revision. What nobody saw is left out."""
    seen = {(op.key, op.value): op.mod_revision for op in history if op.kind == "range"}
    for op in history:
        if op.revision == 0:
            op = op._replace(revision=seen.get((op.key, op.value), 0))
        if op.revision > 0:
            yield op


def against_the_clock(history):
    """What ended before another operation began has a smaller revision than a put, and none above that of a range."""
    ended = sorted((op for op in history if op.ended < FOREVER), key=lambda op: op.ended)
    newest, index = None, 0
    for op in sorted(history, key=lambda op: op.begun):
        while index < len(ended) and ended[index].ended < op.begun:
            newest = ended[index] if newest is None or ended[index].revision > newest.revision else newest
            index += 1
        if newest is not None and (op.revision < newest.revision or op.kind == "put" and op.revision == newest.revision):
            yield f"{op} comes before {newest}, which had ended when it began"


def against_the_puts(history):
    """A range finds the newest put at or below its revision, and no put that had not begun."""
    puts, by_value = collections.defaultdict(list), {}
    places = set()
    for op in sorted((op for op in history if op.kind == "put"), key=lambda op: op.revision):
        if op.revision in places:
            yield f"{op} has a revision that another put has"
        places.add(op.revision)
        puts[op.key].append(op.revision)
        by_value[op.key, op.value] = op
    for op in history:
        if op.kind != "range":
            continue
        index = bisect.bisect_right(puts[op.key], op.revision)
        newest = puts[op.key][index - 1] if index > 0 else 0
        put = by_value.get((op.key, op.value))
        if op.value is not None and put is None:
            yield f"{op} found what nobody put"
        elif op.value is not None and put.begun > op.ended:
            yield f"{op} found {put}, which had not begun"
        elif op.value is not None and put.revision != op.mod_revision:
            yield f"{op} found the value of {put} at another revision"
        elif newest != op.mod_revision:
            yield f"{op} found revision {op.mod_revision}, and the newest put is of {newest}"


def sound():
    """A history of two writers and a reader that breaks nothing; one put has no answer and has happened, another one has not."""
    return [Operation("range", "k", None, 0, 1, 1),
            Operation("put", "k", "a", 1, 3, 2), Operation("put", "k", "b", 2, 5, 3),
            Operation("range", "k", "a", 2, 4, 2, 2), Operation("range", "k", "b", 4, 6, 3, 3),
            Operation("put", "other", "c", 6, 8, 4), Operation("range", "k", "b", 9, 10, 5, 3),
            Operation("put", "k", "d", 9, FOREVER, 0), Operation("put", "k", "never", 9, FOREVER, 0),
            Operation("range", "k", "d", 12, 13, 6, 6)]


PLANTED = {  # what is wrong → the operation that makes it so, and a part of the sentence that must say it
    "a stale range": (Operation("range", "k", "b", 14, 15, 6, 3), "the newest put is of 6"),
    "a range from a member that is behind": (Operation("range", "k", "b", 14, 15, 5, 3), "comes before"),
    "a put that was acknowledged and is not there": (Operation("put", "k", "lost", 7, 8.5, 5), "the newest put is of 5"),
    "a put that comes before one that had ended": (Operation("put", "other", "late", 14, 15, 5), "comes before"),
    "a range of what was put later": (Operation("range", "k", "d", 5, 6, 6, 6), "had not begun"),
    "a range of what nobody put": (Operation("range", "k", "z", 14, 15, 6, 6), "what nobody put"),
    "a value at the revision of another": (Operation("range", "k", "a", 14, 15, 6, 6), "at another revision"),
    "a key that is gone": (Operation("range", "k", None, 14, 15, 6), "the newest put is of 6"),
    "two puts at one revision": (Operation("put", "other", "e", 3, 11, 4), "another put has"),
}


def checks_itself():
    """The canary of this file: returns what is wrong with the check itself."""
    wrong = [f"a sound history is refused: {sentence}" for sentence in violations(sound())]
    wrong += [f"{name} is not found" for name, (planted, words) in PLANTED.items()
              if not any(words in sentence for sentence in violations([*sound(), planted]))]
    return wrong
