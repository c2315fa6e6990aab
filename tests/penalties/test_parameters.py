"""Parameters out of their range are named, before any work."""

import numpy as np
import pytest
from penalty_oracle import CONCAVE, CONVEX, EDGES, FACTOR, FEATURES, GROUPS, TASKS, example
from sklearn.base import clone

from skmtl.penalties import (
    L1,
    L21,
    CappedRows,
    Common,
    Decomposed,
    Fusion,
    Graph,
    GroupL21,
    L1Inf,
    Nuclear,
    RowMCP,
    RowSCAD,
    SpectralBox,
    SquaredL2,
    Sum,
    TaskL21,
)


@pytest.mark.parametrize("name", [name for name in CONVEX | CONCAVE if name != "Common"])
@pytest.mark.parametrize("alpha", [-1.0, np.nan, np.inf])
def test_alpha_out_of_range(name, alpha):
    penalty = example(name)
    with pytest.raises(ValueError, match=f"alpha of {type(penalty).__name__}"):
        clone(penalty).set_params(alpha=alpha).check(FEATURES, TASKS)
    for wrong in ("1", None, True, [1.0]):
        with pytest.raises(TypeError, match=f"alpha of {type(penalty).__name__}"):
            clone(penalty).set_params(alpha=wrong).check(FEATURES, TASKS)


WRONG = [
    (L21(1.0, factor=[1.0, 2.0]), ValueError, "factors of L21 have shape"),
    (L1(1.0, factor=[1, 1, 1, 1, -1]), ValueError, "factors of L1 must be finite and >= 0"),
    (L1Inf(1.0, factor=[1, 1, 1, 1, np.nan]), ValueError, "factors of L1Inf must be finite"),
    (SquaredL2(1.0, factor=1.0), ValueError, "factors of SquaredL2 have shape"),
    (L1(0.0, positive=True), ValueError, "needs a positive penalty on every feature"),
    (TaskL21(1.0, factor=[1.0, 1.0]), ValueError, "factor of TaskL21 has shape"),
    (TaskL21(1.0, factor=[1.0, 0.0, 1.0]), ValueError, "factors of TaskL21 must be finite and > 0"),
    (GroupL21([0, 1]), ValueError, "groups has shape"),
    (GroupL21(GROUPS, weights={0: 1.0, 1: 1.0}), ValueError, "no entry for the group 2"),
    (GroupL21(GROUPS, weights={0: 1, 1: 1, 2: 0}), ValueError, "weights of GroupL21 must be"),
    (SpectralBox(0), ValueError, "rank of SpectralBox is 0"),
    (SpectralBox("2"), TypeError, "rank of SpectralBox must be a number"),
    (SpectralBox(2, spared=0.0), ValueError, "spared of SpectralBox is 0.0"),
    (SpectralBox(2, spared=None), TypeError, "spared of SpectralBox must be a number"),
    (Graph(EDGES[:2]), ValueError, "graph has shape"),
    (Graph(-EDGES), ValueError, "weights of graph must be not negative"),
    (Fusion("ring"), ValueError, "graph='ring' is unknown"),
    (Fusion(None), TypeError, "graph must be"),
    (Common(0.1), TypeError, "Common takes a penalty"),
    (Common(L1(-1.0)), ValueError, "alpha of L1 is -1"),
    (Common(Graph("chain")), TypeError, "no relation to others"),
    (Common(L1(0.1) + Common()), TypeError, "no relation to others"),
    (Common(Nuclear(0.1) + L1(0.1)), TypeError, "no exact proximal map"),
    (Common(GroupL21(GROUPS) + SquaredL2(1.0, factor=FACTOR)), TypeError, "no exact proximal"),
    (Common(Decomposed(L1(), L21())), TypeError, "Common takes a penalty"),
    (RowMCP(gamma=0.0), ValueError, "gamma of RowMCP is 0.0"),
    (RowSCAD(a=1.0), ValueError, "a of RowSCAD is 1.0"),
    (RowSCAD(a="3"), TypeError, "a of RowSCAD must be a number"),
    (CappedRows(threshold=-1.0), ValueError, "threshold of CappedRows is -1.0"),
    (CappedRows(norm="max"), ValueError, "norm of CappedRows is 'max'"),
    (Decomposed(L1(), 0.1), TypeError, "specific is 0.1"),
    (Decomposed("l1", L1()), TypeError, "shared is 'l1'"),
    (L1() + Decomposed(L1(), L21()), TypeError, "Decomposed cannot be added"),
    (Sum(L1(), None), TypeError, "takes penalties"),
]


@pytest.mark.parametrize(("penalty", "error", "text"), WRONG)
def test_wrong_parameters(penalty, error, text):
    with pytest.raises(error, match=text):
        penalty.check(FEATURES, TASKS)
