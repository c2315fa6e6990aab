"""Every penalty that the package lists: its value, proximal map, dual norm and conjugate."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from penalty_oracle import (
    CONCAVE,
    CONVEX,
    FACTOR,
    FEATURES,
    GROUPS,
    TASKS,
    example,
    listed,
    minimum,
    primitives,
    terms_of,
    written,
)
from sklearn.base import clone

from skmtl import penalties
from skmtl.penalties import (
    L1,
    L21,
    CappedRows,
    Common,
    Fusion,
    Graph,
    GroupL21,
    L1Inf,
    Multilevel,
    Nuclear,
    RowMCP,
    RowSCAD,
    SpectralBox,
    SquaredL2,
    SquaredNuclear,
    Sum,
    TaskL21,
    TotalVariation,
)
from skmtl.penalties.base import row_norms
from skmtl.penalties.structure import PartStructure, composable

every_convex = pytest.mark.parametrize("penalty", listed(CONVEX))
every_concave = pytest.mark.parametrize("penalty", listed(CONCAVE))
every_primitive = pytest.mark.parametrize("penalty", listed(CONVEX | CONCAVE))
SQUARES = (SquaredL2, SquaredNuclear, SpectralBox, Graph)


def is_square(penalty):
    if isinstance(penalty, Common):
        terms = [] if penalty.penalty is None else terms_of(penalty.penalty)
        return any(isinstance(term, SQUARES) for term in terms)
    return isinstance(penalty, SQUARES)


def has_prox(penalty):
    """That of Fusion is a matter of the solver."""
    return not isinstance(penalty, Fusion)


PROXIMAL = [row for row in listed(CONVEX) if has_prox(row.values[0])]
GAUGES = [
    row
    for row in PROXIMAL
    if not is_square(row.values[0]) and not isinstance(row.values[0], Common)
]
every_proximal = pytest.mark.parametrize("penalty", PROXIMAL)
every_gauge = pytest.mark.parametrize("penalty", GAUGES)


def points(n=4):
    rng = np.random.RandomState(0)
    return [scale * rng.normal(size=(FEATURES, TASKS)) for scale in np.linspace(0.3, 3.0, n)]


def in_domain(penalty, W):
    """W, moved to where the penalty is finite."""
    if getattr(penalty, "positive", False):
        return np.abs(W)
    return np.repeat(W[:, :1], W.shape[1], axis=1) if isinstance(penalty, Common) else W


def test_every_primitive_has_examples():
    assert primitives() == sorted(CONVEX | CONCAVE)
    for name, row in (CONVEX | CONCAVE).items():
        assert row, name
        for penalty in row:
            assert type(penalty) is getattr(penalties, name)
            penalty.check(FEATURES, TASKS)


# --- value -------------------------------------------------------------------------------------


@every_convex
def test_value_is_the_formula(penalty):
    cvxpy = pytest.importorskip("cvxpy", reason="the oracle is cvxpy")
    for W in points(2):
        W = in_domain(penalty, W)
        free, constraints = cvxpy.Variable(W.shape), []
        expression = written(penalty, free, constraints)
        constraints.append(free == W)
        assert_allclose(penalty.value(W), minimum(expression, constraints), rtol=1e-6, atol=1e-8)


@every_primitive
def test_value_of_multiples(penalty):
    """Gauges are homogeneous, squares quadratic, and concave penalties grow by less."""
    for W in points():
        W = in_domain(penalty, W)
        once, thrice = penalty.value(W), penalty.value(3.0 * W)
        assert penalty.value(0.0 * W) == 0
        if not penalty.convex:
            assert once <= thrice <= 3.0 * once + 1e-12
        elif not is_square(penalty):
            assert_allclose(thrice, 3.0 * once, atol=1e-12)
        elif type(penalty) is not Common or not isinstance(penalty.penalty, Sum):
            assert_allclose(thrice, 9.0 * once, rtol=1e-12)


@every_primitive
def test_value_in_few_words(penalty):
    """scaled, clone and set_params say the same penalty."""
    for W in points(2):
        W = in_domain(penalty, W)
        value = penalty.value(W)
        assert_allclose(penalty.scaled(1.0).value(W), value)
        assert_allclose(clone(penalty).value(W), value)
        if penalty.convex or isinstance(penalty, Multilevel):
            assert_allclose(penalty.scaled(2.5).value(W), 2.5 * value)
    other = clone(penalty).set_params(**penalty.get_params(deep=False))
    assert repr(other) == repr(penalty)
    if hasattr(penalty, "alpha"):
        assert penalty.scaled(2.0).alpha == 2.0 * penalty.alpha
        assert clone(penalty).set_params(alpha=9.0).alpha == 9.0
    assert type(penalty).__name__ in repr(penalty)


# --- proximal maps and duals --------------------------------------------------------------------


@every_proximal
def test_no_point_is_better_than_the_proximal_map(penalty):
    rng = np.random.RandomState(1)
    for V in points():
        for step in (0.3, 1.0, 5.0):
            P = penalty.prox(V, step)
            best = penalty.value(P) + np.sum((P - V) ** 2) / (2 * step)
            assert np.isfinite(best)
            others = [P + s * rng.normal(size=P.shape) for s in np.logspace(-4, 0, 40)]
            for other in [*others, V, 0.0 * V, 1.01 * P, 0.99 * P]:
                other = in_domain(penalty, other)
                assert penalty.value(other) + np.sum((other - V) ** 2) / (2 * step) >= best - 1e-12


@every_proximal
def test_the_proximal_map_is_what_an_interior_point_method_finds(penalty):
    cvxpy = pytest.importorskip("cvxpy", reason="the oracle is cvxpy")
    V, step = points()[2], 0.7
    W, constraints = cvxpy.Variable(V.shape), []
    value = written(penalty, W, constraints)
    best = minimum(value + cvxpy.sum_squares(W - V) / (2 * step), constraints)
    P = penalty.prox(V, step)
    assert_allclose(penalty.value(P) + np.sum((P - V) ** 2) / (2 * step), best, rtol=1e-7)
    assert_allclose(P, W.value, atol=2e-4)


@every_proximal
def test_the_proximal_map_contracts(penalty):
    V, U = points(2)
    P, Q = penalty.prox(V, 0.7), penalty.prox(U, 0.7)
    assert np.sum((P - Q) ** 2) <= np.sum((P - Q) * (V - U)) + 1e-12
    assert_allclose(penalty.scaled(0.0).prox(in_domain(penalty, V), 2.0), in_domain(penalty, V))


@every_proximal
def test_the_proximal_map_leaves_a_subgradient(penalty):
    """Moreau: Y = (V - P) / step is in the dual ball, or has f(P) + f*(Y) = <P, Y>."""
    for V in points():
        for step in (0.2, 1.0):
            P = penalty.prox(V, step)
            Y = (V - P) / step
            bound, energy = penalty.conjugate(Y, P)
            assert bound <= 1 + 1e-9
            assert_allclose(penalty.value(P) + 0.5 * energy, np.sum(P * Y), rtol=1e-9, atol=1e-11)


@every_proximal
def test_fenchel_young(penalty):
    """<s Y, W> <= f(W) + s^2 energy / 2 at every W, for every s within the bound."""
    rng = np.random.RandomState(2)
    for number, V in enumerate(points()):
        P = penalty.prox(V, 0.5)
        Y = 2.0 * (V - P) if number % 2 else V  # a subgradient, or anything
        bound, energy = penalty.conjugate(Y, P)
        if not np.isfinite(bound):
            continue
        scales = [1e3 if bound == 0 else 1.0 / bound, 0.3 if bound == 0 else 0.3 / bound]
        for s in scales:
            for size in np.logspace(-2, 2, 40):
                W = in_domain(penalty, size * rng.normal(size=V.shape) + rng.randint(2) * V)
                slack = penalty.value(W) + 0.5 * s**2 * energy - s * np.sum(Y * W)
                assert slack >= -1e-12 * s * np.sum(np.abs(Y * W)) - 1e-12


@every_gauge
def test_dual_norm_is_attained(penalty):
    """sup <Z, W> / f(W): at the proximal map of a scale at which it just is not 0."""
    for Z in points():
        if isinstance(penalty, TotalVariation):
            Z = Z - Z.mean(axis=1, keepdims=True)
        norm = penalty.dual_norm(Z)
        if not np.isfinite(norm):  # what is free can grow
            free = penalty.free_features(FEATURES)
            assert free.any()
            assert penalty.value(free[:, None] * Z) == 0
            continue
        assert_allclose(penalty.prox(Z, norm * (1 + 1e-9)), 0.0, atol=1e-14)
        P = penalty.prox(Z, norm * (1 - 1e-5))
        assert P.any()
        assert_allclose(np.sum(Z * P) / penalty.value(P), norm, rtol=1e-4)


def test_dual_of_differences():
    """Fusion has its norm on the edges; what is the same for all tasks is not penalised."""
    for penalty in CONVEX["Fusion"]:
        D, norm = penalty.edges(TASKS)
        for W in points():
            assert_allclose(penalty.value(W), norm.value(W @ D))
            assert_allclose(penalty.value(W + W[:, :1]), penalty.value(W))
            Y = np.random.RandomState(0).normal(size=(FEATURES, D.shape[1]))
            assert np.sum(W * (Y @ D.T)) <= norm.dual_norm(Y) * penalty.value(W) + 1e-12


@every_convex
def test_what_ignores_common_models(penalty):
    V = points(1)[0]
    if penalty.ignores_common and not isinstance(penalty, Common):
        assert_allclose(penalty.value(V + 5.0), penalty.value(V), rtol=1e-12)
    if not has_prox(penalty):
        return
    U = penalty.prox(V + 5.0, 0.7) - 5.0
    assert np.allclose(U, penalty.prox(V, 0.7), atol=1e-10) == penalty.ignores_common


# --- some features ------------------------------------------------------------------------------


@every_primitive
def test_restriction(penalty):
    rows = np.array([0, 1, 4])
    mask = np.isin(np.arange(FEATURES), rows)
    for W in points():
        W = in_domain(penalty, W)
        part = penalty.restrict(rows)
        assert_allclose(part.value(W[rows]), penalty.value(W * mask[:, None]), rtol=1e-12)
        assert_allclose(penalty.restrict(mask).value(W[mask]), part.value(W[rows]))
        if penalty.convex and has_prox(penalty):
            whole = penalty.prox(W * mask[:, None], 0.4)[rows]
            assert_allclose(part.prox(W[rows], 0.4), whole, atol=1e-12)


@every_convex
def test_free_features_have_no_penalty(penalty):
    free = penalty.free_features(FEATURES)
    assert free.shape == (FEATURES,)
    assert free.dtype == bool
    factor = getattr(penalty, "factor", None)
    if isinstance(penalty, TaskL21) or factor is None:
        assert not free.any()
    else:
        assert_array_equal(free, np.asarray(factor) == 0)
        assert penalty.value(free[:, None] * points(1)[0]) == 0


# --- sums ----------------------------------------------------------------------------------------

COMPOSED = [
    [L1(0.3), L21(0.4)],
    [L1(0.3), L1Inf(0.5)],
    [L1(0.2), TaskL21(0.4)],
    [L1(0.2), GroupL21(GROUPS, 0.3)],
    [L21(0.3), GroupL21(GROUPS, 0.3)],
    [L1Inf(0.3), GroupL21(GROUPS, 0.3)],
    [TotalVariation(0.3), L1(0.2)],
    [TotalVariation(0.3), L21(0.2)],
    [TotalVariation(0.3), GroupL21(GROUPS, 0.3)],
    [TotalVariation(0.3), L1(0.2), L21(0.2)],
    [TotalVariation(0.2), L1(0.1), L21(0.2), GroupL21(GROUPS, 0.2)],
    [L1(0.2), L21(0.2), GroupL21(GROUPS, 0.2)],
    [L1(0.2, factor=FACTOR), L21(0.3, factor=FACTOR[::-1]), GroupL21(GROUPS, 0.2)],
    [L21(0.2), L21(0.3, factor=FACTOR)],
    [L1(0.2, positive=True), L21(0.3)],
    [L1(0.2, positive=True), L1Inf(0.3)],
    [L1(0.2, positive=True), TaskL21(0.3)],
    [L1(0.2, positive=True), GroupL21(GROUPS, 0.3)],
    [L21(0.2, positive=True), GroupL21(GROUPS, 0.3)],
    [L21(0.2, positive=True), L1(0.3)],
    [TotalVariation(0.3), L1(0.2, positive=True)],
    [TotalVariation(0.3), L21(0.2, positive=True)],
]
SEPARATE = [
    [L21(0.3), TaskL21(0.3)],
    [L21(0.3), L1Inf(0.3)],
    [Nuclear(0.3), L1(0.2)],
    [GroupL21(GROUPS, 0.2), TaskL21(0.3)],
    [GroupL21(GROUPS, 0.2), GroupL21([0, 1, 1, 2, 2], 0.2)],
    [TotalVariation(0.2), L1Inf(0.3)],
    [TotalVariation(0.2), TaskL21(0.3)],
    [Common(), L1(0.3)],
    [SquaredNuclear(0.3), L1(0.3)],
]


@pytest.mark.parametrize("gauges", COMPOSED, ids=lambda gauges: " + ".join(map(str, gauges)))
def test_composed_proximal_maps_are_exact(gauges):
    cvxpy = pytest.importorskip("cvxpy", reason="the oracle is cvxpy")
    penalty = gauges[0]
    for gauge in gauges[1:]:
        penalty = penalty + gauge
    (unit,) = PartStructure(penalty, FEATURES, TASKS).units
    for V in points(3)[1:]:
        W, constraints = cvxpy.Variable(V.shape), []
        value = written(penalty, W, constraints)
        best = minimum(value + cvxpy.sum_squares(W - V) / (2 * 0.6), constraints)
        P = unit.prox(V, 0.6)
        assert_allclose(unit.value(P) + np.sum((P - V) ** 2) / (2 * 0.6), best, rtol=1e-7)


@pytest.mark.parametrize("gauges", SEPARATE, ids=lambda gauges: " + ".join(map(str, gauges)))
def test_other_sums_are_units_of_their_own(gauges):
    assert len(composable(gauges)) == len(gauges)
    assert len(composable(gauges[::-1])) == len(gauges)


def test_all_that_composes_is_tested():
    """Which primitives may be inner to which others, by their classes."""
    tested = {frozenset(type(g) for g in gauges) for gauges in COMPOSED if len(gauges) == 2}
    gauges = [g for name in CONVEX for g in [example(name)] if g.gauge() is not None]
    gauges = [g for g in gauges if not isinstance(g, Fusion)]
    for a in gauges:
        for b in gauges:
            if len(composable([a, b])) == 1 and type(a) is not type(b):
                assert frozenset((type(a), type(b))) in tested, (a, b)


# --- concave -------------------------------------------------------------------------------------


@every_concave
def test_majorants_touch_and_are_above(penalty):
    rng = np.random.RandomState(3)
    for W in points(8):
        W = np.where(rng.uniform(size=W.shape) < 0.3, 0.0, W)
        W[2] = 0.0 if not isinstance(penalty, Multilevel) else W[2] + 1.0
        above = penalty.majorant(W)
        assert above.convex
        shift = penalty.value(W) - above.value(W)
        for size in np.logspace(-3, 1, 30):
            other = W + size * rng.normal(size=W.shape)
            assert penalty.value(other) <= above.value(other) + shift + 1e-10
        first = penalty.majorant(None)
        assert first.value(W) >= 0
        if not isinstance(penalty, Multilevel):
            assert first.value(W) >= penalty.value(W) - 1e-12


@every_concave
def test_slopes_are_derivatives(penalty):
    t, h = np.linspace(0.05, 4.0, 80), 1e-6
    slopes = (penalty.profile(t + h) - penalty.profile(t - h)) / (2 * h)
    smooth = np.abs(t - getattr(penalty, "threshold", -1.0)) > 2 * h
    assert_allclose(penalty.slopes(t)[smooth], slopes[smooth], atol=1e-6)
    assert (np.diff(penalty.slopes(t)) <= 0).all()


def test_large_rows_have_no_slope():
    t = np.array([50.0])
    for penalty in (RowMCP(0.5), RowSCAD(0.5), CappedRows(0.5)):
        assert penalty.slopes(t) == 0
    norms = row_norms(points(1)[0])
    assert_allclose(CappedRows(0.5, threshold=1e9).profile(norms), 0.5 * norms)
