"""Seconds to a gap: each method on a ladder of its own tolerances, methods in alternating order."""

import signal
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

GAPS = (1e-4, 1e-6, 1e-8)
RUNGS_PER_DECADE = 2  # a coarser ladder would make methods solve too far
TOLERANCES = 10.0 ** -np.arange(2.0, 12.5, 1 / RUNGS_PER_DECADE)
FIRST_RUNG = 2 * RUNGS_PER_DECADE  # tolerance 1e-4: what most methods need for the first gap
SEARCH_PATIENCE = 2  # times the patience of a run: then no further tolerance is tried
LONG = 2.0  # seconds; longer runs are not repeated, since they vary little
SHORT = 0.1  # seconds; shorter runs are repeated to about this much in a row
MOST_IN_A_ROW = 10


class Cut(BaseException):
    """Patience is at its end; no `except Exception` on the way may swallow it."""


@contextmanager
def cut_after(seconds):
    """Raise Cut in the running Python code; compiled code goes on until it returns."""
    if not hasattr(signal, "setitimer") or (
        threading.current_thread() is not threading.main_thread()
    ):
        yield
        return

    def stop(*_):
        raise Cut

    previous = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


def timed(function, patience):
    """Seconds and result of a call; the result is None if it took longer than the patience."""
    start = time.perf_counter()
    try:
        with cut_after(patience):
            result = function()
            seconds = time.perf_counter() - start
    except Cut:
        return time.perf_counter() - start, None
    return seconds, result if seconds <= patience else None


def first_reaching(gap_at, target, start, n):
    """The first of n rungs whose gap is at most the target (n: none); a cut run counts as one.

    Steps are as if gaps were proportional to tolerances, grow, and never pass the middle of what
    is left: so the tightest rungs, which cost most, are rarely tried.
    """
    low, high, rung, growing = -1, n, start, 1
    while high - low > 1:
        gap = gap_at(rung)
        decades = 0.0 if gap is None else abs(np.log10(max(gap, 1e-16) / target))
        step = max(growing, int(RUNGS_PER_DECADE * decades))
        if gap is None or gap <= target:
            high = rung
            rung = max(high - step, (low + high) // 2)
        else:
            low = rung
            rung = min(low + step, (low + high) // 2)
        growing *= 2
    return high


@dataclass
class Run:
    """The runs of one method at one tolerance; without a gap they were cut."""

    gap: float | None
    active: int
    seconds: list


@dataclass
class Ladder:
    """One method on its tolerances: `solve(tol)` gives W, `judge(W)` its gap."""

    solve: object
    judge: object
    patience: float
    runs: dict = field(default_factory=dict)  # rung: Run
    rungs: dict = field(default_factory=dict)  # gap: the first rung that reached it
    cut: bool = False
    error: str | None = None

    def explore(self):
        """Find the first rung that reaches each gap."""
        try:
            self._search()
        except Cut:
            self.cut = True
        except Exception as error:  # one broken method must not end the comparison
            self.error = f"{type(error).__name__}: {error}"[:300]
        for gap in GAPS:  # what a search that did not end has found
            judged = [(r, run) for r, run in self.runs.items() if run.gap is not None]
            reached = [rung for rung, run in judged if run.gap <= gap]
            if gap not in self.rungs and reached:
                self.rungs[gap] = min(reached, key=lambda rung: self.runs[rung].seconds[0])

    def _search(self):
        start = FIRST_RUNG
        for gap in GAPS:
            rung = first_reaching(self._gap_at, gap, start, len(TOLERANCES))
            if rung not in self.runs or self.runs[rung].gap is None:
                return  # the gaps to come are smaller
            self.rungs[gap] = rung
            start = min(rung + 2 * RUNGS_PER_DECADE, len(TOLERANCES) - 1)

    def _gap_at(self, rung):
        """Gap of the run at a rung; None if it was cut."""
        if rung not in self.runs:
            if sum(run.seconds[0] for run in self.runs.values()) > SEARCH_PATIENCE * self.patience:
                raise Cut
            seconds, W = timed(lambda: self.solve(TOLERANCES[rung]), self.patience)
            if W is None:
                self.runs[rung] = Run(None, 0, [seconds])
            else:
                active = int(np.sum(np.any(W != 0, axis=1)))
                self.runs[rung] = Run(float(self.judge(W)), active, [seconds])
        return self.runs[rung].gap

    def repeat(self):
        for rung in sorted(set(self.rungs.values())):
            seconds = self.runs[rung].seconds
            if seconds[0] > LONG:
                continue
            times = min(MOST_IN_A_ROW, 1 + int(SHORT / seconds[0]))
            for _ in range(times):
                seconds.append(timed(lambda r=rung: self.solve(TOLERANCES[r]), self.patience)[0])

    def seconds_to_gaps(self):
        """Per gap the fastest median of the repeated rungs that reached it; None if none did."""
        medians = [
            (self.runs[rung].gap, float(np.median(self.runs[rung].seconds)))
            for rung in set(self.rungs.values())
        ]
        return {
            gap_key(gap): min((s for reached, s in medians if reached <= gap), default=None)
            for gap in GAPS
        }

    def record(self):
        runs = [
            {
                "tol": float(TOLERANCES[rung]),
                "gap": run.gap,
                "seconds": float(np.median(run.seconds)),
                "times": len(run.seconds),
            }
            for rung, run in sorted(self.runs.items())
        ]
        record = {"seconds": self.seconds_to_gaps(), "runs": runs}
        if self.cut or any(run.gap is None for run in self.runs.values()):
            record["cut"] = True
        if self.error:
            record["error"] = self.error
        return record


def gap_key(gap):
    return f"{gap:.0e}"


def compare_to_gaps(solvers, judge, repeats, patience):
    """Records of the methods, and the number of active features of the best answer."""
    ladders = {m: Ladder(solve, judge, patience) for m, solve in solvers.items()}
    for ladder in ladders.values():
        ladder.explore()
    for repeat in range(1, repeats):  # the exploration was the first
        for method in alternated(ladders, repeat):
            ladders[method].repeat()
    judged = [r for ladder in ladders.values() for r in ladder.runs.values() if r.gap is not None]
    active = min(judged, key=lambda run: run.gap).active if judged else None
    return {method: ladder.record() for method, ladder in ladders.items()}, active


def compare_fits(fits, repeats, patience, key="fit"):
    """Records of methods that are timed as they are, and what they returned first."""
    seconds, results, errors = {method: [] for method in fits}, {}, {}
    for repeat in range(repeats):
        for method in alternated(fits, repeat):
            if repeat and (method not in results or seconds[method][0] > LONG):
                continue
            try:
                elapsed, result = timed(fits[method], patience)
            except Exception as error:  # one broken method must not end the comparison
                errors[method] = f"{type(error).__name__}: {error}"[:300]
                continue
            seconds[method].append(elapsed)
            if result is not None:
                results.setdefault(method, result)
    records = {}
    for method, values in seconds.items():
        done = float(np.median(values)) if method in results else None
        records[method] = {"seconds": {key: done}, "runs": values}
        if method in errors:
            records[method]["error"] = errors[method]
        elif method not in results:
            records[method]["cut"] = True
    return records, results


def alternated(methods, repeat):
    return list(methods) if repeat % 2 == 0 else list(methods)[::-1]
