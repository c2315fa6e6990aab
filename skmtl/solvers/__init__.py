"""Solvers: solve(problem) -> Solution(coef, gap, n_iter, converged, solver).

numpy and scipy only, but for `coordinate_descent`, which calls scikit-learn's public class.
"""

from skmtl.solvers.working_set import SOLVERS, Solution, solve

__all__ = ["SOLVERS", "Solution", "solve"]
