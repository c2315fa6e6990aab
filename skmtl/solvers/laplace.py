"""Hierarchical models with a likelihood that is not normal, by Laplace's approximation.

The coefficients w_t ~ N(m, S), S = R R' diagonal, and their mean m have the energy

    E = sum_t loss_t(w_t) + 1/2 sum_t |v_t|^2 + 1/2 m' M^-1 m,   w_t = m + R v_t.

Newton's method finds its minimum, the mode. With the second derivatives G_t = B_t' B_t there, the
posterior is about that of squared losses with the rows B_t (`random_coefficients`), and

    log evidence = -E - 1/2 log det(second derivatives of E) + 1/2 log det(those of the prior).

By the logarithm of the variance of a coefficient its derivative is half of sum_t v_t^2 minus what
the normal posterior expects, as for squared losses, plus what comes from the mode that moves: with
a = H^-1 b, H the second derivatives of E and b those of -1/2 log det H by the coefficients, it is
sum_t (a_t - a_m) v_t / R.

Where labels are separable the evidence alone would have infinite variances: their roots have
half-Cauchy densities of scale 2.5 (Gelman et al. 2008, *A weakly informative default prior
distribution for logistic and other regression models*, Annals of Applied Statistics 2).

Williams, Barber 1998, *Bayesian classification with Gaussian processes*, IEEE PAMI 20. Rasmussen,
Williams 2006, *Gaussian Processes for Machine Learning*, section 5.5.1.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from skmtl.solvers.empirical_bayes import START_MEAN, VARIANCES, climb, fixed_point
from skmtl.solvers.label_stacks import LOSS, one_hot
from skmtl.solvers.random_coefficients import FittedTasks, Posterior, Prior, update, whiten

# Of coefficients of log-odds, for features of variance 1.
USUAL_VARIANCE, LARGEST_VARIANCE = 2.5**2, 1e2
SUFFICIENT_DECREASE = 1e-4
MAX_NEWTON, MAX_HALVINGS = 100, 40
NEGLIGIBLE = 1e-24  # squared Newton decrement: nothing is left but rounding


@dataclass
class LearnedMean:
    """m ~ N(0, M), to be found with the coefficients."""

    prior: Prior

    def __post_init__(self):
        self.root = self.prior.root()
        self.centre = np.zeros(len(self.root))

    def pull(self, mean, deviations):
        """Derivative of the energy of m, in whitened coordinates."""
        return self.root**2 * self.prior.mean_precision * mean

    def curvature(self, compressed):
        return Posterior(compressed, self.prior)


class Curvature(NamedTuple):
    """The part of a `Posterior` that says how the energy bends."""

    parts: list
    mean: object


@dataclass
class KnownMean:
    """m ~ N(m, C) as other tasks leave it."""

    fitted: FittedTasks

    def __post_init__(self):
        self.root, self.centre = self.fitted.root, self.fitted.mean.value

    def pull(self, mean, deviations):
        """C^-1 (m - centre), which is the sum of the deviations after every Newton step."""
        return deviations.sum(axis=0)

    def curvature(self, compressed):
        noise = np.ones(compressed.n_tasks)
        parts = [whiten(stack, self.root, noise) for stack in compressed.stacks]
        mean = self.fitted.mean
        for part in parts:
            Z = part.Z.reshape(-1, len(self.root))
            mean = update(mean, Z, Z @ mean.value)
        return Curvature(parts, mean)


class Mode(NamedTuple):
    """The minimum of the energy, with m and the deviations v_t in whitened coordinates."""

    mean: np.ndarray
    deviations: np.ndarray
    columns: list
    energy: float
    curvature: Posterior | Curvature

    @property
    def white_coef(self):
        return self.mean + self.deviations


def solve(curvature, right, of_mean=0.0):
    """H^-1 times right-hand sides (n_tasks, n_coef) and (n_coef,): (m, deviations from it)."""
    kept = right - _project(curvature.parts, right)
    mean = curvature.mean.apply(of_mean + kept.sum(axis=0))
    return mean, kept - _project(curvature.parts, np.broadcast_to(mean, right.shape))


def _project(parts, values):
    """Z_t' Z_t times the values of every task."""
    out = np.zeros(values.shape)
    for part in parts:
        along = part.Z @ values[part.tasks][:, :, None]
        out[part.tasks] = (part.Z.transpose(0, 2, 1) @ along)[:, :, 0]
    return out


def find_mode(tasks, model, mean, deviations, accuracy):
    """`Mode` by Newton steps from (m, deviations), to a squared Newton decrement of `accuracy`.

    `model` is LearnedMean or KnownMean. The curvature is that one step before the mode.
    """
    root, centre = model.root, model.centre
    columns = tasks.columns((mean + deviations) * root)
    pull = model.pull(mean, deviations)
    energy = tasks.loss(columns) + 0.5 * (np.sum(deviations**2) + (mean - centre) @ pull)
    before = np.inf
    for _ in range(MAX_NEWTON):
        curvature = model.curvature(tasks.compressed(columns))
        gradient = tasks.sum_of("gradient", columns) * root
        right = gradient + deviations
        step_mean, step = solve(curvature, -right, deviations.sum(axis=0) - pull)
        slope = np.sum(gradient * (step_mean + step)) + np.sum(deviations * step) + pull @ step_mean
        moves = tasks.columns((step_mean + step) * root)
        size = 1.0
        for _ in range(MAX_HALVINGS):
            new_columns = [z + size * move for z, move in zip(columns, moves, strict=True)]
            new_mean, new = mean + size * step_mean, deviations + size * step
            pull = model.pull(new_mean, new)
            new_energy = tasks.loss(new_columns)
            new_energy += 0.5 * (np.sum(new**2) + (new_mean - centre) @ pull)
            allowed = SUFFICIENT_DECREASE * size * slope + 1e-13 * (1.0 + abs(energy))
            if new_energy <= energy + allowed:
                break
            size *= 0.5
        mean, deviations, columns, energy = new_mean, new, new_columns, new_energy
        decrement = -slope
        stalled = decrement > 0.25 * before and decrement < np.sqrt(NEGLIGIBLE)
        if decrement <= max(accuracy, NEGLIGIBLE) or stalled:
            break
        before = decrement
    return Mode(mean, deviations, columns, energy, curvature)


def covariances_of(X, root, Z, mean):
    """Covariances (n_stacked, n_rows, n_columns, n_columns) of the W x of rows X.

    X is (n_stacked or 1, n_rows, n_inputs), Z (n_stacked, n_kept, n_coef) the whitened rows of
    their tasks. With A = (I - Z'Z), cov(w_t) = R (A + A C A) R.
    """
    n_inputs = X.shape[2]
    n_columns = len(root) // n_inputs
    blocks = [slice(k * n_inputs, (k + 1) * n_inputs) for k in range(n_columns)]
    rows = [X * root[block] for block in blocks]
    through = mean.apply(Z)
    shared = through @ Z.transpose(0, 2, 1)
    along = [
        row @ Z[:, :, block].transpose(0, 2, 1) for row, block in zip(rows, blocks, strict=True)
    ]
    mixed = [
        row @ through[:, :, block].transpose(0, 2, 1)
        for row, block in zip(rows, blocks, strict=True)
    ]
    out = np.empty((len(Z), X.shape[1], n_columns, n_columns))
    for a in range(n_columns):
        reach = mean.apply(rows[a], blocks[a])
        taken = along[a] - along[a] @ shared + mixed[a]
        for b in range(a + 1):
            value = np.einsum("bni,bni->bn", reach[..., blocks[b]], rows[b])
            if a == b:
                value = value + np.sum(rows[a] ** 2, axis=2)
            value = value - np.einsum("bnr,bnr->bn", taken, along[b])
            out[:, :, a, b] = out[:, :, b, a] = value - np.einsum("bnr,bnr->bn", along[a], mixed[b])
    return out


def covariances_without_rows(X, absent, standard, fitted):
    """Covariances (n_rows, n_columns, n_columns) of the W x of a task that has no rows."""
    n_columns = len(fitted.root) // standard.n_coef
    nothing = np.zeros((1, 0, len(fitted.root)))
    out = np.empty((X.shape[0], n_columns, n_columns))
    for rows, part in standard.pieces(X, absent):
        out[rows] = covariances_of(part[None], fitted.root, nothing, fitted.mean)[0]
    return out


class LaplaceEvidence:
    """The penalised Laplace evidence as a function of all logarithms, for `climb`.

    These are the parameters of S and the variance of m.
    """

    def __init__(self, tasks, family, *, free, mean_is_zero, accuracy):
        self.tasks, self.family, self.free, self.accuracy = tasks, family, free, accuracy
        self.mean_is_zero, self.best = mean_is_zero, None
        self.latest = np.zeros(tasks.n_coef), np.zeros((tasks.n_tasks, tasks.n_coef))

    def start(self):
        mean_variance = VARIANCES[0] if self.mean_is_zero else START_MEAN
        return np.append(self.family.start, np.log(mean_variance))

    def bounds(self):
        least, most = np.log(VARIANCES[0]), np.log(LARGEST_VARIANCE)
        of_mean = (least, least if self.mean_is_zero else most)
        return [(low, min(high, most)) for low, high in [*self.family.bounds, of_mean]]

    def prior(self, theta):
        precision = np.where(self.free, 0.0, np.exp(-theta[-1]))
        noise = np.ones(self.tasks.n_tasks)
        return Prior(self.family.covariance(theta[:-1]), noise, precision)

    def value(self, theta):
        """(objective, Mode); the best so far is kept."""
        prior = self.prior(theta)
        model = LearnedMean(prior)
        mean, deviations = (values / model.root for values in self.latest)
        mode = find_mode(self.tasks, model, mean, deviations, self.accuracy)
        # The coefficients, not the whitened ones, are next to those of the next variances.
        self.latest = mode.mean * model.root, mode.deviations * model.root
        value = log_evidence(mode) - self.family.penalty(theta[:-1])
        value -= np.sum(np.log1p(np.exp(theta) / USUAL_VARIANCE))
        if self.best is None or value > self.best[0]:
            self.best = value, theta.copy(), mode
        return value, mode

    def pairs(self, theta, mode):
        """(squares, expected) of all variances: half their difference is the derivative."""
        posterior = mode.curvature
        moments = posterior.moments()
        covariances = [
            covariances_of(stack.X, posterior.root, part.Z, posterior.mean)
            for stack, part in zip(self.tasks.stacks, posterior.parts, strict=True)
        ]
        bend = self.tasks.sum_of("bend_of_curvature", mode.columns, covariances)
        moved_mean, moved = solve(posterior, -0.5 * bend * posterior.root)
        squares = np.sum(mode.deviations**2 + 2.0 * moved * mode.deviations, axis=0)
        precision = posterior.root**2 * posterior.prior.mean_precision
        mean_square = precision @ (mode.mean**2 + 2.0 * moved_mean * mode.mean)
        _, of_mean = posterior.mean_moments()
        squares, expected = self.family.pairs(theta[:-1], moments._replace(squares=squares))
        unusual = 2.0 / (1.0 + USUAL_VARIANCE * np.exp(-theta))
        return np.append(squares, mean_square), np.append(expected, of_mean) + unusual

    def gradient(self, theta, mode):
        squares, expected = self.pairs(theta, mode)
        return 0.5 * (squares - expected)


def log_evidence(mode):
    """The log marginal likelihood, about, for a flat density of the means that are free."""
    return -mode.energy - 0.5 * float(mode.curvature.log_det)


class LaplaceEstimate(NamedTuple):
    """The best hyperparameters with their mode, and the objective after every step."""

    mode: Mode
    objective: list
    converged: bool

    @property
    def prior(self):
        return self.mode.curvature.prior

    def fitted(self):
        """`FittedTasks` with the modes as coefficients."""
        fitted = FittedTasks.of(self.mode.curvature, 1.0)
        return at_mode(fitted, self.mode)


def at_mode(fitted, mode):
    return replace(fitted, white_coef=mode.white_coef, mean=replace(fitted.mean, value=mode.mean))


def maximise_evidence(tasks, family, *, free, mean_is_zero, tol, max_iter):
    """`LaplaceEstimate` for LabelledTasks, with a DiagonalCovariance.

    `free` (n_coef,) says which means have no prior, `tol` below which gain to stop.
    """
    options = {"free": free, "mean_is_zero": mean_is_zero, "accuracy": (1e-3 * tol) ** 2}
    evidence = LaplaceEvidence(tasks, family, **options)
    theta, scale = fixed_point(evidence, evidence.start())
    objective, converged = climb(evidence, theta, scale, tol=tol, max_iter=max_iter)
    _, theta, mode = evidence.best
    # To the last digit: coefficients are read, variances only so far as they matter.
    final = find_mode(tasks, LearnedMean(evidence.prior(theta)), mode.mean, mode.deviations, 0.0)
    return LaplaceEstimate(final, objective, converged)


def adapt(fitted, tasks):
    """`FittedTasks` of new tasks: the old ones enter by what they say about m."""
    nothing = np.zeros((tasks.n_tasks, tasks.n_coef))
    mode = find_mode(tasks, KnownMean(fitted), fitted.mean.value, nothing, 0.0)
    factors = [np.zeros((0, tasks.n_coef))] * tasks.n_tasks
    for part in mode.curvature.parts:
        for task, Z in zip(part.tasks, part.Z, strict=True):
            factors[task] = Z
    new = replace(fitted, factors=factors, noise=np.ones(tasks.n_tasks), mean=mode.curvature.mean)
    return at_mode(new, mode)


def leave_one_out(data, own, standard, contrasts, fitted):
    """Probabilities (n_samples, n_classes) of every row by the model of all others, about.

    A Newton step without the row, from the mode of all rows, for tasks with rows of their own; NaN
    for rows of no weight, and for tasks with a single label.
    """
    out = np.full((data.X.shape[0], own.shape[1]), np.nan)
    position = np.cumsum(own, axis=1) - 1
    for block in data.blocks():
        (task,) = block.tasks
        Q = contrasts[task]
        if len(Q) < 2:
            continue
        coef = (fitted.white_coef[task] * fitted.root).reshape(Q.shape[1], -1)
        labels = position[task, block.Y[:, 0].astype(int)]
        told = np.zeros((len(labels), own.shape[1]))
        for rows, X in standard.pieces(block.X, block.absent):
            covariances = covariances_of(
                X[None], fitted.root, fitted.factors[task][None], fitted.mean
            )
            scores = scores_without_own_row(
                X @ coef.T, covariances[0], one_hot(labels[rows], len(Q)), block.weights[rows], Q
            )
            told[rows, own[task]] = LOSS.probabilities(scores)
        out[block.rows] = told
    return out


def scores_without_own_row(columns, covariances, y, weights, Q):
    """Scores of rows by the mode without them, about, from those of the mode with them.

    With H and g the second and first derivatives of the loss of a row by its columns and Sigma
    their covariance, Sigma' = (I - Sigma H)^-1 Sigma and columns' = columns + Sigma' g.
    """
    p = LOSS.probabilities(columns @ Q.T)
    gradient = weights[:, None] * (LOSS.gradient(y, columns @ Q.T) @ Q)
    weighted = (weights[:, None] * p)[:, :, None]
    H = Q.T @ (weighted * Q) - np.einsum("n,ni,nj->nij", weights, p @ Q, p @ Q)
    without = np.linalg.solve(np.eye(Q.shape[1]) - covariances @ H, covariances)
    moved = columns + (without @ gradient[:, :, None])[:, :, 0]
    return moved @ Q.T
