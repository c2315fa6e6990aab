"""The penalty algebra: primitives and their sums.

A penalty acts on the coefficient matrix W (n_features, n_tasks). Sums are written `a + b`.
"""

from skmtl.penalties.base import Penalty, Sum
from skmtl.penalties.norms import L1, L21, SquaredL2

__all__ = ["L1", "L21", "Penalty", "SquaredL2", "Sum"]
