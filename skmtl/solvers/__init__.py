"""Solvers: solve(problem) -> Solution(coef, gap, n_iter, converged). numpy and scipy only."""

from skmtl.solvers.working_set import SOLVERS, Solution, solve

__all__ = ["SOLVERS", "Solution", "solve"]
