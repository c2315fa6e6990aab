"""Proximal maps against numeric minimisers, dual norms against their definition."""

import numpy as np
import pytest
from helpers import make_case
from numpy.testing import assert_allclose, assert_array_equal
from scipy import optimize
from sklearn.base import clone

from skmtl import MultiTaskRegressor
from skmtl.penalties import L1, L21, Penalty, SquaredL2, Sum
from skmtl.penalties.base import FactoredPenalty, row_norms, sparse_group_dual_norms

FACTOR = np.array([1.0, 0.5, 2.0, 0.0, 3.0])
POSITIVE_FACTOR = np.array([1.0, 0.5, 2.0, 0.1, 3.0])
PENALTIES = {
    "L21": L21(0.7),
    "L21 factors": L21(0.7, factor=FACTOR),
    "L21 positive": L21(0.7, positive=True),
    "L1": L1(0.3),
    "L1 factors": L1(0.3, factor=FACTOR),
    "L1 positive": L1(0.3, factor=POSITIVE_FACTOR, positive=True),
    "SquaredL2": SquaredL2(0.8),
    "SquaredL2 factors": SquaredL2(0.8, factor=FACTOR),
    "L21 + L1": L21(0.5) + L1(0.2),
    "L21 + L1 factors": L21(0.5, factor=FACTOR) + L1(0.2, factor=FACTOR[::-1]),
    "L21 + L1 positive": L21(0.5, positive=True) + L1(0.2),
    "L1 positive + L21": L1(0.2, positive=True) + L21(0.5),
    "L21 + SquaredL2": L21(0.5) + SquaredL2(0.9),
    "all": SquaredL2(0.9, factor=FACTOR) + (L21(0.5) + L1(0.2)),
    "all positive": L1(0.1, positive=True) + (SquaredL2(0.4) + L21(0.5)),
    "twice": L21(0.2) + L21(0.4) + L1(0.1),
    "ridges": SquaredL2(0.2) + SquaredL2(0.3),
    "zero": L21(0.0) + L1(0.0),
}
GAUGES = {name: item for name, item in PENALTIES.items() if item.gauge() is not None}
every_penalty = pytest.mark.parametrize("penalty", PENALTIES.values(), ids=PENALTIES)
every_gauge = pytest.mark.parametrize(
    "penalty", [item.gauge() for item in GAUGES.values()], ids=GAUGES
)


def points(n=4, shape=(5, 3)):
    rng = np.random.RandomState(0)
    return [scale * rng.normal(size=shape) for scale in np.linspace(0.3, 3.0, n)]


def is_positive(penalty):
    return np.isinf(penalty.value(-np.ones((5, 3))))


def steps():
    return [1.0, 0.3, np.linspace(0.1, 2.0, 5)[:, None]]


@every_penalty
def test_prox_minimises(penalty):
    """No point is better than the proximal map: near it, far from it, or found by a search."""
    rng = np.random.RandomState(1)
    for V in points():
        for step in steps():

            def objective(W, V=V, step=step):
                return penalty.value(W) + 0.5 * np.sum((W - V) ** 2 / step)

            P = penalty.prox(V, step)
            best = objective(P)
            for scale in (1e-3, 1e-1, 1.0):
                for _ in range(10):
                    other = P + scale * rng.normal(size=P.shape)
                    other = np.maximum(other, 0.0) if is_positive(penalty) else other
                    assert objective(other) >= best - 1e-12
            for other in (np.zeros_like(V), np.maximum(V, 0.0)):
                assert objective(other) >= best - 1e-12


def written_for_cvxpy(cvxpy, penalty, W):
    """The primitives of a penalty as cvxpy expressions, and whether one wants W >= 0."""
    terms = penalty.terms() if isinstance(penalty, Sum) else [penalty]
    total = 0.0
    for part in terms:
        rows = {
            "L21": lambda: cvxpy.norm(W, 2, axis=1),
            "L1": lambda: cvxpy.sum(cvxpy.abs(W), axis=1),
            "SquaredL2": lambda: cvxpy.sum(cvxpy.square(W), axis=1) / 2,
        }[type(part).__name__]()
        factor = np.ones(5) if part.factor is None else np.asarray(part.factor)
        total = total + part.alpha * factor @ rows
    return total, any(getattr(part, "positive", False) for part in terms)


@every_penalty
def test_prox_is_what_an_interior_point_method_finds(penalty):
    cvxpy = pytest.importorskip("cvxpy", reason="the oracle is cvxpy")
    for V in points(2):
        W = cvxpy.Variable(V.shape)
        value, positive = written_for_cvxpy(cvxpy, penalty, W)
        constraints = [W >= 0] if positive else []
        objective = cvxpy.Minimize(value + cvxpy.sum_squares(W - V) / (2 * 0.7))
        cvxpy.Problem(objective, constraints).solve(solver="CLARABEL")
        assert_allclose(penalty.prox(V, 0.7), W.value, atol=2e-4)


@every_penalty
def test_prox_with_a_common_step_is_firmly_nonexpansive(penalty):
    V, U = points(2)
    P, Q = penalty.prox(V, 0.7), penalty.prox(U, 0.7)
    assert np.sum((P - Q) ** 2) <= np.sum((P - Q) * (V - U)) + 1e-12


@every_gauge
def test_moreau_identity(penalty):
    """V - prox(V) is in the dual ball, and reaches it on what prox keeps."""
    for V in points():
        P = penalty.prox(V, 1.0)
        residual = V - P
        assert np.all(penalty.row_dual_norms(residual) <= 1 + 1e-10)
        # <V - P, P> = penalty(P): the residual is a subgradient at P.
        assert_allclose(np.sum(residual * P), penalty.value(P), rtol=1e-10, atol=1e-12)


@every_gauge
def test_dual_norm_is_the_largest_inner_product(penalty):
    """sup <Z_j, w> / penalty(w) over rows w: never exceeded, and approached."""
    rng = np.random.RandomState(2)
    for Z in points():
        norms = penalty.row_dual_norms(Z)
        for j in range(len(Z)):
            directions = rng.normal(size=(300, Z.shape[1]))
            near = Z[j] * (1 + 0.3 * rng.normal(size=directions.shape))
            cut = np.sign(Z[j]) * np.maximum(np.abs(Z[j]) - rng.uniform(size=(300, 1)) * 3, 0.0)
            candidates = np.vstack([directions, near, cut, np.diag(np.sign(Z[j])), Z[j : j + 1]])
            if is_positive(penalty):
                candidates = np.maximum(candidates, 0.0)
            part = penalty.restrict(np.array([j]))
            values = np.array([part.value(w[None]) for w in candidates])
            inner = candidates @ Z[j]
            if np.isinf(norms[j]):
                assert np.any((values == 0) & (inner > 0))
                continue
            assert np.all(inner <= norms[j] * values + 1e-10)
            ratios = inner[values > 0] / values[values > 0]
            assert max(ratios.max(initial=0.0), 0.0) >= 0.98 * norms[j]


@every_gauge
def test_dual_norm_is_where_prox_becomes_zero(penalty):
    for Z in points():
        norms = penalty.row_dual_norms(Z)
        for j in np.flatnonzero(np.isfinite(norms) & (norms > 0)):
            part = penalty.restrict(np.array([j]))
            assert np.all(part.prox(Z[[j]] / norms[j] * (1 - 1e-9), 1.0) == 0)
            assert np.any(part.prox(Z[[j]] / norms[j] * (1 + 1e-6), 1.0) != 0)


def test_dual_norms_by_definition():
    rng = np.random.RandomState(3)
    for _ in range(50):
        Z = rng.normal(size=(1, 6)) * 10.0 ** rng.uniform(-3, 3)
        l1, l2 = 10.0 ** rng.uniform(-3, 3, size=2)

        def excess(s, Z=Z, l1=l1, l2=l2):
            return np.linalg.norm(np.maximum(np.abs(Z) - s * l1, 0.0)) - s * l2

        expected = optimize.brentq(excess, 0.0, np.abs(Z).max() / l1 + 1e-9, xtol=1e-300)
        found = sparse_group_dual_norms(Z, np.array([l1]), np.array([l2]))
        assert_allclose(found, expected, rtol=1e-8)


def test_dual_norms_of_extreme_rows():
    Z = np.array([[0.0, 0.0], [1e-200, 1e-200], [1e200, 1e200], [3.0, 4.0]])
    assert_allclose(sparse_group_dual_norms(Z, 0.0, 1.0), row_norms(Z))
    assert_allclose(row_norms(Z), [0.0, np.sqrt(2) * 1e-200, np.sqrt(2) * 1e200, 5.0])
    both = sparse_group_dual_norms(Z, 1.0, 1.0)
    unit = sparse_group_dual_norms(np.ones((1, 2)), 1.0, 1.0)[0]
    assert_allclose(both[1:3], [1e-200 * unit, 1e200 * unit])
    assert np.isfinite(both).all()
    assert both[0] == 0
    assert_array_equal(sparse_group_dual_norms(Z, 0.0, 0.0), [0.0, np.inf, np.inf, np.inf])


@every_gauge
def test_slope_and_curvature_are_derivatives(penalty):
    rng = np.random.RandomState(4)
    W = np.abs(rng.normal(size=(5, 3))) + 0.5
    if not is_positive(penalty):
        W *= rng.choice([-1, 1], size=W.shape)
    D = rng.normal(size=W.shape)
    h = 1e-5
    values = [penalty.value(W + k * h * D) for k in (-1, 0, 1)]
    slope = (values[2] - values[0]) / (2 * h)
    assert_allclose(np.sum(penalty.slope(W) * D), slope, rtol=1e-6, atol=1e-8)
    units = W / row_norms(W)[:, None]
    across = np.sum(D**2, axis=1) - np.sum(D * units, axis=1) ** 2
    curvature = (values[2] - 2 * values[1] + values[0]) / h**2
    assert_allclose(penalty.row_curvature(W) @ across, curvature, rtol=1e-3, atol=1e-4)


@every_penalty
def test_restrict_is_the_penalty_on_some_rows(penalty):
    rows = np.array([0, 3, 4])
    for V in points():
        V = np.abs(V)
        part = penalty.restrict(rows)
        rest = penalty.restrict(np.array([1, 2]))
        assert_allclose(part.value(V[rows]) + rest.value(V[[1, 2]]), penalty.value(V))
        assert_allclose(part.prox(V[rows], 0.4), penalty.prox(V, 0.4)[rows])
        assert_allclose(part.ridge(3), penalty.ridge(5)[rows])
        if penalty.gauge() is not None:
            norms = penalty.gauge().row_dual_norms(V)
            assert_allclose(part.gauge().row_dual_norms(V[rows]), norms[rows])
    mask = np.isin(np.arange(5), rows)
    assert_allclose(penalty.restrict(mask).value(V[mask]), penalty.restrict(rows).value(V[rows]))


@every_penalty
def test_value_is_gauge_plus_ridge(penalty):
    for W in points():
        W = np.abs(W)
        gauge = penalty.gauge()
        expected = 0.5 * penalty.ridge(5) @ np.sum(W**2, axis=1)
        expected += 0.0 if gauge is None else gauge.value(W)
        assert_allclose(penalty.value(W), expected)
        if gauge is not None:
            assert_allclose(gauge.value(3 * W), 3 * gauge.value(W))


def test_order_and_brackets_of_a_sum_do_not_matter():
    a, b, c = L21(0.5, factor=FACTOR), L1(0.2), SquaredL2(0.9)
    sums = [a + b + c, c + b + a, b + (c + a), Sum(Sum(c, a), b)]
    for V in points():
        for other in sums[1:]:
            assert_allclose(other.value(V), sums[0].value(V))
            assert_allclose(other.prox(V, 0.3), sums[0].prox(V, 0.3))
            norms = other.gauge().row_dual_norms(V)
            assert_allclose(norms, sums[0].gauge().row_dual_norms(V))


def test_sums_of_one_kind_add_their_alphas():
    for V in points():
        assert_allclose((L21(0.2) + L21(0.3)).prox(V, 0.7), L21(0.5).prox(V, 0.7))
        assert_allclose((L1(0.2) + L1(0.3)).prox(V, 0.7), L1(0.5).prox(V, 0.7))
        ridges = SquaredL2(0.2) + SquaredL2(0.3)
        assert_allclose(ridges.prox(V, 0.7), SquaredL2(0.5).prox(V, 0.7))


def test_zero_penalty_is_the_identity():
    for V in points():
        for penalty in (L21(0.0), L1(0.0), SquaredL2(0.0), L21(0.0) + L1(0.0)):
            assert penalty.value(V) == 0
            assert_array_equal(penalty.prox(V, 2.0), V)


def test_a_penalty_adds_to_penalties_only():
    with pytest.raises(TypeError):
        L21(0.1) + 0.1
    with pytest.raises(TypeError, match="takes penalties"):
        Sum(L21(0.1), "l1").check(3)


def test_parameters_clone_and_repr():
    penalty = L21(0.5) + (L1(0.2) + SquaredL2(0.9))
    assert penalty.get_params()["second__first__alpha"] == 0.2
    other = clone(penalty).set_params(second__first__alpha=7.0)
    assert (other.second.first.alpha, penalty.second.first.alpha) == (7.0, 0.2)
    assert "L21(alpha=0.5)" in repr(penalty)
    assert repr(L21(0.5, positive=True)) == "L21(alpha=0.5, positive=True)"


class LastTaskL1(FactoredPenalty):
    """A new primitive: l1 on the last task only. What it needs is what a solver asks for."""

    rank = 1
    entrywise = True
    positive = False

    def __init__(self, alpha=1.0, *, factor=None):
        self.alpha = alpha
        self.factor = factor

    def value(self, W):
        return self.weights(len(W)) @ np.abs(W[:, -1])

    def prox(self, W, step):
        threshold = step * self.weights(len(W))[:, None]
        out = W.copy()
        out[:, -1:] -= np.clip(W[:, -1:], -threshold, threshold)
        return out


def test_a_new_primitive_is_a_penalty():
    penalty = LastTaskL1(0.5) + L21(0.1)
    assert isinstance(penalty, Penalty)
    V = points(1)[0]
    assert_allclose(penalty.value(V), 0.5 * np.abs(V[:, -1]).sum() + 0.1 * row_norms(V).sum())
    assert clone(penalty).set_params(first__alpha=0.2).first.alpha == 0.2


class HalvedL21(L21):
    """A new primitive by inheritance: its own value, prox and dual norm by scaling."""

    def weights(self, n_features):
        return 0.5 * super().weights(n_features)


def test_a_subclass_goes_through_the_estimator():
    case = make_case("column")
    options = {**case.init, "tol": 1e-12}
    ours = MultiTaskRegressor(HalvedL21(0.4), **options).fit(case.X, case.y)
    theirs = MultiTaskRegressor(L21(0.2), **options).fit(case.X, case.y)
    assert_allclose(ours.coef_, theirs.coef_, atol=1e-8)
    ours = MultiTaskRegressor(HalvedL21(0.4, factor=[1, 0, 1, 2, 1]) + L1(0.1), **options)
    theirs = MultiTaskRegressor(L21(0.2, factor=[1, 0, 1, 2, 1]) + L1(0.1), **options)
    ours.fit(case.X, case.y)
    assert_allclose(ours.coef_, theirs.fit(case.X, case.y).coef_, atol=1e-8)
