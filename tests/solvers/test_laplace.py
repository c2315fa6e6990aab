"""Modes by another optimiser, evidence and its derivatives by dense algebra and differences."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import optimize
from scipy.special import logsumexp, softmax

from skmtl.solvers.empirical_bayes import DiagonalCovariance
from skmtl.solvers.label_stacks import (
    LabelledTasks,
    common_contrasts,
    contrasts_of_tasks,
    empty_stack,
    label_models,
    moderated,
    stack_labels,
)
from skmtl.solvers.laplace import (
    KnownMean,
    LaplaceEvidence,
    LearnedMean,
    covariances_of,
    find_mode,
    log_evidence,
    maximise_evidence,
    scores_without_own_row,
)
from skmtl.solvers.random_coefficients import FittedTasks, Prior

KINDS = {
    "binary": {},
    "binary, few rows": {"n": 4, "p": 6},
    "binary, by rows": {"n": 3, "p": 20, "n_tasks": 2},
    "multinomial": {"K": 4},
    "multinomial, few rows": {"n": 5, "p": 8, "K": 3},
    "own labels": {"K": 4, "lacks": [(1, 0), (2, 1), (2, 3)]},
    "shared rows": {"shared": True, "K": 3, "lacks": [(1, 0)]},
    "a task without rows": {"empty": True},
}


class Problem:
    """Random labels of some tasks, and the energy written a second time."""

    def __init__(self, n_tasks=3, n=14, p=2, K=2, lacks=(), shared=False, empty=False, seed=0):
        rng = np.random.RandomState(seed)
        own = np.ones((n_tasks, K), dtype=bool)
        for place in lacks:
            own[place] = False
        Q = common_contrasts(own)
        self.contrasts = contrasts_of_tasks(own, Q)
        self.n_columns = 1 if Q is None else Q.shape[1]
        self.n_inputs, self.n_tasks, self.own = p + 1, n_tasks, own
        X = [self._rows(rng, n + t) for t in range(n_tasks)]
        if shared:
            X = [X[0]] * n_tasks
        labels = [rng.randint(own[t].sum(), size=len(X[t])) for t in range(n_tasks)]
        weights = [rng.uniform(0.5, 2.0, size=len(x)) for x in X]
        weights = [weights[0]] * n_tasks if shared else weights
        self.rows = list(zip(range(n_tasks), X, labels, weights, strict=True))[empty:]
        if shared:
            parts = [(np.arange(n_tasks), X[0], np.column_stack(labels), weights[0])]
        else:
            parts = [(np.array([t]), x, y[:, None], v) for t, x, y, v in self.rows]
        self.n_coef = self.n_inputs * self.n_columns
        self.tasks = LabelledTasks(stack_labels(parts, self.contrasts), n_tasks, self.n_coef)
        one = DiagonalCovariance.of("diagonal", p, p + 1)
        self.family = one
        self.family.groups = np.tile(one.groups, self.n_columns)
        self.free = np.tile(np.arange(p + 1) == p, self.n_columns)
        self.theta = rng.normal(size=p + 2) - 1.0

    def _rows(self, rng, n):
        return np.hstack([rng.normal(size=(n, self.n_inputs - 1)), np.ones((n, 1))])

    def prior(self):
        S = self.family.covariance(self.theta[:-1])
        precision = np.where(self.free, 0.0, np.exp(-self.theta[-1]))
        return Prior(S, np.ones(self.n_tasks), precision)

    def loss(self, W):
        total = 0.0
        for t, X, y, v in self.rows:
            z = X @ W[t].reshape(self.n_columns, -1).T @ self.contrasts[t].T
            total += v @ (logsumexp(z, axis=1) - z[np.arange(len(y)), y])
        return total

    def energy(self, x):
        """Of m and all w_t, one after the other."""
        prior = self.prior()
        m, W = x[: self.n_coef], x[self.n_coef :].reshape(self.n_tasks, -1)
        square = np.sum((W - m) ** 2 / prior.covariance) + m @ (prior.mean_precision * m)
        return self.loss(W) + 0.5 * square

    def slope(self, x):
        prior, d = self.prior(), self.n_coef
        m, W = x[:d], x[d:].reshape(self.n_tasks, -1)
        by_task = (W - m) / prior.covariance
        of_mean = prior.mean_precision * m - by_task.sum(axis=0)
        for t, X, y, v in self.rows:
            Q = self.contrasts[t]
            p = softmax(X @ W[t].reshape(self.n_columns, -1).T @ Q.T, axis=1)
            by_score = v[:, None] * (p - np.eye(len(Q))[y])
            by_task[t] += (Q.T @ by_score.T @ X).ravel()
        return np.concatenate([of_mean, by_task.ravel()])

    def hessian(self, x):
        """Second derivatives of the energy, dense."""
        prior, d = self.prior(), self.n_coef
        W = x[d:].reshape(self.n_tasks, -1)
        H = np.zeros((len(x), len(x)))
        H[:d, :d] = np.diag(prior.mean_precision + self.n_tasks / prior.covariance)
        for t in range(self.n_tasks):
            own = slice(d * (t + 1), d * (t + 2))
            H[own, own] = np.diag(1.0 / prior.covariance)
            H[:d, own] = H[own, :d] = -np.diag(1.0 / prior.covariance)
        for t, X, _, v in self.rows:
            own = slice(d * (t + 1), d * (t + 2))
            Q = self.contrasts[t]
            P = softmax(X @ W[t].reshape(self.n_columns, -1).T @ Q.T, axis=1)
            for x_i, p_i, v_i in zip(X, P, v, strict=True):
                A = np.kron(Q, x_i)
                H[own, own] += v_i * A.T @ (np.diag(p_i) - np.outer(p_i, p_i)) @ A
        return H

    def evidence(self):
        return LaplaceEvidence(
            self.tasks, self.family, free=self.free, mean_is_zero=False, accuracy=0.0
        )

    def mode(self):
        nothing = np.zeros((self.n_tasks, self.n_coef))
        return find_mode(self.tasks, LearnedMean(self.prior()), nothing[0], nothing, 0.0)

    def place(self, mode):
        root = np.sqrt(self.prior().covariance)
        return np.concatenate([mode.mean * root, (mode.white_coef * root).ravel()])


@pytest.fixture(params=KINDS.values(), ids=list(KINDS))
def problem(request):
    return Problem(**request.param)


def test_mode(problem):
    mode = problem.mode()
    x = problem.place(mode)
    assert_allclose(problem.energy(x), mode.energy, rtol=1e-12)
    given = {"jac": problem.slope, "hess": problem.hessian, "method": "trust-exact"}
    found = optimize.minimize(problem.energy, np.zeros(len(x)), options={"gtol": 1e-9}, **given)
    assert_allclose(x, found.x, atol=1e-8)


def test_evidence_is_that_of_dense_algebra(problem):
    mode, prior = problem.mode(), problem.prior()
    known = prior.mean_precision > 0
    _, log_det = np.linalg.slogdet(problem.hessian(problem.place(mode)))
    log_det += problem.n_tasks * np.log(prior.covariance).sum()
    log_det -= np.log(prior.mean_precision[known]).sum()
    expected = -mode.energy - 0.5 * log_det + 0.5 * np.sum(~known) * np.log(2 * np.pi)
    assert_allclose(log_evidence(mode), expected, rtol=1e-9)


def test_gradient_is_that_of_differences(problem):
    evidence = problem.evidence()
    ours = evidence.gradient(problem.theta, evidence.value(problem.theta)[1])
    steps = 1e-5 * np.eye(len(ours))
    differences = [
        (evidence.value(problem.theta + e)[0] - evidence.value(problem.theta - e)[0]) / 2e-5
        for e in steps
    ]
    assert_allclose(ours, differences, rtol=1e-6, atol=1e-6)


def test_covariances_of_columns(problem):
    mode, root = problem.mode(), np.sqrt(problem.prior().covariance)
    inverse = np.linalg.inv(problem.hessian(problem.place(mode)))
    d, posterior = problem.n_coef, mode.curvature
    for stack, part in zip(problem.tasks.stacks, posterior.parts, strict=True):
        covariances = covariances_of(stack.X, root, part.Z, posterior.mean)
        for k, t in enumerate(stack.tasks):
            own = slice(d * (t + 1), d * (t + 2))
            for row, covariance in zip(stack.X[k % len(stack.X)], covariances[k], strict=True):
                A = np.kron(np.eye(problem.n_columns), row)
                assert_allclose(covariance, A @ inverse[own, own] @ A.T, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("kind", ["binary", "multinomial"])
def test_a_row_left_out(kind):
    """A Newton step from the mode of all rows is near the mode of the others."""
    problem = Problem(**KINDS[kind])
    mode, root = problem.mode(), np.sqrt(problem.prior().covariance)
    (stack,), (part,) = problem.tasks.stacks, mode.curvature.parts
    covariances = covariances_of(stack.X, root, part.Z, mode.curvature.mean)
    k, row = 0, 2
    Q, nothing = stack.contrasts[k], np.zeros((problem.n_tasks, problem.n_coef))
    cell = (np.array([row]), *(a[k, [row]] for a in (stack.y, stack.weights)))
    told = scores_without_own_row(mode.columns[0][k, [row]], covariances[k, [row]], *cell[1:], Q)[0]
    weights = stack.weights.copy()
    weights[k, row] = 0.0
    without = problem.tasks._replace(stacks=[stack._replace(weights=weights)])
    exact = find_mode(without, LearnedMean(problem.prior()), nothing[0], nothing, 0.0)
    exact = Q @ exact.columns[0][k, row]
    before = Q @ mode.columns[0][k, row]
    told, exact, before = (softmax(z) for z in (told, exact, before))
    assert np.abs(told - exact).max() < 0.15 * np.abs(before - exact).max()


def test_a_known_mean_that_is_certain_makes_tasks_independent():
    problem = Problem()
    prior = problem.prior()
    certain = prior._replace(mean_precision=np.full(problem.n_coef, 1e12))
    nothing = np.zeros((problem.n_tasks, problem.n_coef))
    silent = LabelledTasks([empty_stack(problem.n_inputs, 1)], problem.n_tasks, problem.n_coef)
    none = find_mode(silent, LearnedMean(certain), nothing[0], nothing, 0.0)
    fitted = FittedTasks.of(none.curvature, 1.0)
    mode = find_mode(problem.tasks, KnownMean(fitted), nothing[0], nothing, 0.0)
    expected = find_mode(problem.tasks, LearnedMean(certain), nothing[0], nothing, 0.0)
    assert_allclose(mode.deviations, expected.deviations, atol=1e-8)
    assert_allclose(mode.energy, expected.energy)


def test_objective_never_falls():
    problem = Problem(n_tasks=6, seed=3)
    estimate = maximise_evidence(
        problem.tasks, problem.family, free=problem.free, mean_is_zero=False, tol=1e-6, max_iter=99
    )
    assert estimate.converged
    assert np.all(np.diff(estimate.objective) >= -1e-9)


def test_moderation_of_two_labels_is_that_of_their_difference():
    rng = np.random.RandomState(0)
    root = rng.normal(size=(5, 2, 2))
    scores, covariances = rng.normal(size=(5, 2)), root @ root.transpose(0, 2, 1)
    ours = np.diff(moderated(scores, covariances))[:, 0]
    variance = np.array([1, -1]) @ covariances @ np.array([1, -1])
    assert_allclose(ours, np.diff(scores)[:, 0] / np.sqrt(1 + np.pi / 8 * variance), rtol=1e-12)


def test_moderation_is_near_the_average():
    rng = np.random.RandomState(1)
    mean, root = np.array([1.0, 0.0, -1.0]), np.diag([1.5, 1.0, 2.0])
    average = softmax(mean + rng.normal(size=(400_000, 3)) @ root.T, axis=1).mean(axis=0)
    ours = softmax(moderated(mean[None], (root @ root.T)[None])[0])
    assert np.abs(ours - average).max() < 0.03
    assert np.abs(softmax(mean) - average).max() > 0.1


def test_contrasts_are_of_labels_that_tasks_tell_apart():
    own = np.array([[1, 1, 1, 0, 0], [0, 0, 0, 1, 1], [1, 0, 0, 0, 0]], dtype=bool)
    Q = common_contrasts(own)
    assert Q.shape == (5, 3)
    assert_allclose(Q.T @ Q, np.eye(3), atol=1e-12)
    assert_allclose(Q[:3].sum(axis=0), 0, atol=1e-12)
    assert_allclose(Q[3:].sum(axis=0), 0, atol=1e-12)
    coef = np.random.RandomState(0).normal(size=(3, 3, 2))
    (tasks, positions), models, _ = label_models(own, Q, coef, coef[..., 0])
    assert tasks.tolist() == [0, 0, 0, 1]
    assert positions.tolist() == [0, 1, 2, 1]
    assert_allclose(models[:3], Q[:3] @ coef[0])
    assert_allclose(models[3], (Q[4] - Q[3]) @ coef[1])
