"""The penalty algebra: primitives, their sums, and coefficients in two parts.

A penalty acts on the coefficient matrix W (n_features, n_tasks). Sums are written `a + b`, and
`Decomposed(a, b)` is W = P + Q with a penalty of each.
"""

from skmtl.penalties.base import Penalty, Sum
from skmtl.penalties.concave import CappedRows, Multilevel, RowMCP, RowSCAD
from skmtl.penalties.decomposed import Decomposed
from skmtl.penalties.groups import GroupL21, L1Inf, TaskL21
from skmtl.penalties.norms import L1, L21, SquaredL2
from skmtl.penalties.relations import Common, Fusion, Graph, TotalVariation
from skmtl.penalties.spectral import Nuclear, SpectralBox, SquaredNuclear

__all__ = [
    "L1",
    "L21",
    "CappedRows",
    "Common",
    "Decomposed",
    "Fusion",
    "Graph",
    "GroupL21",
    "L1Inf",
    "Multilevel",
    "Nuclear",
    "Penalty",
    "RowMCP",
    "RowSCAD",
    "SpectralBox",
    "SquaredL2",
    "SquaredNuclear",
    "Sum",
    "TaskL21",
    "TotalVariation",
]
