"""Whether what clients saw of one key can have happened in some order that respects real time: Wing and Gong's search, with memory."""

import dataclasses
import math


@dataclasses.dataclass(frozen=True)
class Operation:
    """What a client asked of a key, when, and what it was told. Values are unique; None is an absent key."""

    kind: str  # "read", "write", "delete"
    begun: float
    ended: float  # math.inf: no answer ever came, and it may have happened or not
    value: object = None  # what was written, or what was read
    # What must be there for it to happen: a value; "anything"; None, that nothing is. ANY: whatever is there.
    expects: object = "ANY"
    done: bool = True  # False: it was told that the condition did not hold

    @property
    def is_open(self):
        return self.ended == math.inf

    def step(self, state):
        """The state afterwards, and whether the answer fits the state before."""
        if self.kind == "read":
            return state, state == self.value
        holds = self.expects == "ANY" or state == self.expects
        if not self.done:
            return state, not holds
        return (None if self.kind == "delete" else self.value), holds


def is_linearizable(history, initial=None):
    """Tries orders, earliest first; each set of operations with the state it leads to is looked at once."""
    history = sorted(history, key=lambda operation: operation.begun)
    everything = sum(1 << at for at, operation in enumerate(history) if not operation.is_open)
    seen, stack = set(), [(0, initial)]
    while stack:
        taken, state = stack.pop()
        if taken & everything == everything:
            return True
        if (taken, state) in seen:
            continue
        seen.add((taken, state))
        # Whatever began after another had ended cannot come before it.
        horizon, next_steps = math.inf, []
        for at, operation in enumerate(history):
            if taken >> at & 1:
                continue
            if operation.begun > horizon:
                break
            after, fits = operation.step(state)
            if fits:
                next_steps.append((taken | 1 << at, after))
            horizon = min(horizon, operation.ended)
        stack.extend(reversed(next_steps))
    return False
