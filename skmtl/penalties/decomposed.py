"""Coefficients as a sum of two matrices with a penalty each."""

from skmtl.penalties.base import Penalty


class Decomposed(Penalty):
    """W = P + Q with a penalty of each part, minimised over both.

    Parameters
    ----------
    shared, specific : Penalty
        Of P and of Q; one of them may itself be `Decomposed`.

    Examples
    --------
    >>> from skmtl.penalties import L1, L21, Decomposed
    >>> dirty = Decomposed(shared=L21(0.2), specific=L1(0.1))
    >>> dirty.set_params(specific__alpha=0.3).specific
    L1(alpha=0.3)
    """

    adds_up = False

    def __init__(self, shared, specific):
        self.shared = shared
        self.specific = specific

    def parts(self):
        """(name, penalty) of every part; the names of nested ones are joined by `_`."""
        flat = []
        for name in ("shared", "specific"):
            part = getattr(self, name)
            if isinstance(part, Decomposed):
                flat += [(f"{name}_{inner}", penalty) for inner, penalty in part.parts()]
            else:
                flat.append((name, part))
        return flat

    def check(self, n_features, n_tasks=None):
        for name in ("shared", "specific"):
            part = getattr(self, name)
            if not isinstance(part, Penalty):
                raise TypeError(f"Decomposed takes penalties, but {name} is {part!r}.")
            part.check(n_features, n_tasks)

    @property
    def convex(self):
        return self.shared.convex and self.specific.convex

    @property
    def relates_tasks(self):
        return self.shared.relates_tasks or self.specific.relates_tasks

    def _each(self, method, *arguments):
        made = (getattr(part, method)(*arguments) for part in (self.shared, self.specific))
        return Decomposed(*made)

    def scaled(self, by):
        return self._each("scaled", by)

    def for_columns(self, labels, tasks, n_classes=1):
        return self._each("for_columns", labels, tasks, n_classes)

    def restrict(self, rows):
        return self._each("restrict", rows)

    def majorant(self, parts):
        """`parts` (n_parts, n_features, n_tasks), or None."""
        if parts is None:
            return self._each("majorant", None)
        count = len(self.shared.parts()) if isinstance(self.shared, Decomposed) else 1
        halves = [parts[:count], parts[count:]]
        own = [half if len(half) > 1 else half[0] for half in halves]
        return Decomposed(self.shared.majorant(own[0]), self.specific.majorant(own[1]))

    def free_features(self, n_features):
        return self.shared.free_features(n_features) | self.specific.free_features(n_features)

    def gauge(self):
        return self

    def attributes(self, parts):
        """Those of all parts (n_parts, n_features, n_tasks); the first of a name counts."""
        told = {}
        for (_, penalty), W in zip(self.parts(), parts, strict=True):
            told = penalty.attributes(W) | told
            columns = getattr(penalty, "terms", lambda penalty=penalty: [penalty])()
            if any(term.kind == "columns" for term in columns):
                told["outlier_tasks_"] = W.any(axis=0)
        return told

    def value(self, parts):
        """The penalty of parts (n_parts, n_features, n_tasks)."""
        pairs = zip(self.parts(), parts, strict=True)
        return sum(penalty.value(W) for (_, penalty), W in pairs)
