"""Convex weights by out-of-fold errors, against general solvers and plain loops."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize

from skmtl.compose.stacking import (
    LogLosses,
    SquaredErrors,
    gains_of,
    judge,
    likelihood_weights,
    losses_of,
    probabilities_of_true,
    squares_weights,
    towards_first,
)


def simplex_minimum(value, n):
    """The least value that SLSQP finds on the simplex, from its centre."""
    found = minimize(
        value,
        np.full(n, 1 / n),
        method="SLSQP",
        bounds=[(0, 1)] * n,
        constraints={"type": "eq", "fun": lambda a: a.sum() - 1},
        options={"ftol": 1e-14, "maxiter": 500},
    )
    return found.fun


def cells(seed, n=60, n_tasks=3):
    """Targets, weights, codes, rows and folds."""
    rng = np.random.default_rng(seed)
    codes = np.sort(rng.integers(0, n_tasks, size=n))
    return rng.normal(size=n), rng.uniform(0.2, 2, size=n), codes, np.arange(n), np.arange(n) % 4


def squared(seed, noise=(1.0, 0.5, 0.7), **options):
    y, weights, codes, rows, folds = cells(seed, **options)
    rng = np.random.default_rng(seed + 100)
    predicted = y + np.array(noise)[:, None] * rng.normal(size=(len(noise), len(y)))
    return SquaredErrors(predicted, y, weights, codes, rows), folds


def logs(seed, n_strategies=3, **options):
    _, weights, codes, rows, folds = cells(seed, **options)
    rng = np.random.default_rng(seed + 100)
    predicted = rng.uniform(0.05, 0.95, size=(n_strategies, len(rows))) ** [[1.5], [0.5], [0.8]]
    return LogLosses(predicted, weights, codes, rows), folds


both = pytest.mark.parametrize("make", [squared, logs])


# --- weights ----------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [2, 3, 6])
@pytest.mark.parametrize("seed", range(5))
def test_weights_of_squares_are_the_best_of_the_simplex(n, seed):
    rng = np.random.default_rng(seed)
    errors = rng.normal(size=(n, 40)) * rng.uniform(0.5, 2, size=(n, 1)) + rng.normal(size=40)
    weights = rng.uniform(size=40)
    found = squares_weights(errors, weights)
    assert found.min() >= 0
    assert_allclose(found.sum(), 1)

    def value(mixing):
        return weights @ (mixing @ errors) ** 2

    assert value(found) <= simplex_minimum(value, n) * (1 + 1e-6)
    if n == 2:
        assert_allclose(found[0], np.argmin([value([a, 1 - a]) for a in GRID]) / 1000, atol=1e-3)


GRID = np.linspace(0, 1, 1001)


@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e12])
def test_weights_of_squares_do_not_depend_on_units(scale):
    errors = np.random.default_rng(0).normal(size=(3, 20))
    assert_allclose(
        squares_weights(scale * errors, np.ones(20)), squares_weights(errors, np.ones(20))
    )


def test_weights_of_errors_that_cannot_be_told_apart():
    for errors in (np.zeros((3, 5)), np.ones((3, 5)), np.zeros((3, 0))):
        found = squares_weights(errors, np.ones(errors.shape[1]))
        assert found.min() >= 0
        assert_allclose(found.sum(), 1)
    assert_allclose(squares_weights(np.array([[1.0, 2], [0, 0]]), np.ones(2)), [0, 1], atol=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_weights_by_likelihood_are_the_best_of_the_simplex(seed):
    rng = np.random.default_rng(seed)
    probabilities = rng.uniform(0.02, 1, size=(4, 50)) ** rng.uniform(0.3, 2, size=(4, 1))
    weights = rng.uniform(size=50)
    found = likelihood_weights(probabilities, weights)
    assert found.min() >= 0
    assert_allclose(found.sum(), 1)

    def value(mixing):
        return -weights @ np.log(np.maximum(mixing @ probabilities, 1e-12)) / weights.sum()

    assert value(found) <= simplex_minimum(value, 4) + 1e-4


def test_weight_k_is_k_copies():
    rng = np.random.default_rng(0)
    values, counts = rng.uniform(0.1, 1, size=(3, 20)), rng.integers(0, 4, size=20)
    copies = np.repeat(values, counts, axis=1)
    for choose in (squares_weights, likelihood_weights):
        assert_allclose(
            choose(values, counts.astype(float)), choose(copies, np.ones(counts.sum())), atol=1e-8
        )


def test_towards_first():
    weights = np.array([0.2, 0.5, 0.3])
    assert_allclose(towards_first(weights, 1.0), weights)
    assert_allclose(towards_first(weights, 0.0), [1, 0, 0])
    assert_allclose(towards_first(weights, 0.5), [0.6, 0.25, 0.15])
    assert_allclose(weights, [0.2, 0.5, 0.3])


def test_probabilities_of_the_true_labels():
    answers = np.array([[0.7, 0.3], [0.4, 0.6], [0.5, 0.5]])
    y, classes = np.array(["b", "a", "new"]), np.array(["a", "b"])
    assert_allclose(probabilities_of_true(answers, y, classes), [0.3, 0.4, 0.0])
    Y = np.array([["b", None], ["a", "b"], [np.nan, "c"]], dtype=object)
    told = probabilities_of_true([answers, answers], Y, classes)
    assert_allclose(told, [[0.3, np.nan], [0.4, 0.6], [np.nan, 0.0]])


# --- gains ------------------------------------------------------------------------------------


def gains_by_loops(problem, base, mixed, n_tasks):
    """Per task and mean gains in percent, and their standard errors, by the delta method."""
    is_root = isinstance(problem, SquaredErrors)
    scores, gains, errors, moves = [], [], [], np.zeros(problem.rows.max() + 1)
    for task in range(n_tasks):
        own = np.flatnonzero(problem.codes == task)
        v = problem.weights[own]
        losses = [v @ loss[own] / v.sum() for loss in (base, mixed)]
        score = np.sqrt(losses) if is_root else losses
        slope = 0.5 / score[0] if is_root else 1.0
        difference = base[own] - mixed[own]
        centred = v / v.sum() * (difference - v @ difference / v.sum())
        centred *= slope * np.sqrt(len(own) / (len(own) - 1))
        np.add.at(moves, problem.rows[own], centred)
        scores.append(score[0])
        gains.append(score[0] - score[1])
        errors.append(np.sqrt(np.sum(centred**2)))
    scores, gains, errors = np.array(scores), np.array(gains), np.array(errors)
    mean = gains.sum() / scores.sum(), np.sqrt(np.sum(moves**2)) / scores.sum()
    return 100 * gains / scores, 100 * errors / scores, 100 * mean[0], 100 * mean[1]


@both
@pytest.mark.parametrize("clustered", [False, True])
def test_gains_are_those_of_a_plain_loop(make, clustered):
    problem, folds = make(0)
    if clustered:  # several cells of a row
        problem.rows = np.arange(len(folds)) % 20
    base, mixed = losses_of(problem, folds, dict.fromkeys(range(4), np.array([0.2, 0.5, 0.3])))
    gains = gains_of(problem, base, mixed, 3)
    for ours, theirs in zip(gains, gains_by_loops(problem, base, mixed, 3), strict=True):
        assert_allclose(ours, theirs)


@both
def test_cells_of_one_row_err_together(make):
    problem, folds = make(0, n_tasks=1)
    base, mixed = losses_of(problem, folds, dict.fromkeys(range(4), np.array([0.0, 1.0, 0.0])))
    apart = gains_of(problem, base, mixed, 1)
    twice = [np.concatenate([part, part]) for part in (problem.weights, problem.rows)]
    problem.weights, problem.rows = twice
    problem.codes = np.repeat([0, 1], len(base))  # another output with the same errors
    together = gains_of(problem, np.tile(base, 2), np.tile(mixed, 2), 2)
    assert_allclose(together.mean, apart.mean)
    assert_allclose(together.error, apart.error)


@both
def test_a_task_without_cells_has_no_gain(make):
    problem, folds = make(1)
    problem.codes = problem.codes + (problem.codes > 0)  # none of task 1
    gains = judge(problem, folds, 5).gains
    assert_array_equal(np.isnan(gains.tasks), [False, True, False, False, True])
    assert_array_equal(np.isnan(gains.task_errors), np.isnan(gains.tasks))
    assert np.isfinite([gains.mean, gains.error]).all()


def test_errors_of_zero_have_no_percentage():
    zeros, codes = np.zeros((2, 8)), np.repeat([0, 1], 4)
    problem = SquaredErrors(zeros, np.zeros(8), np.ones(8), codes, np.arange(8))
    weights, gains = judge(problem, np.arange(8) % 2, 2)
    assert_allclose(weights, [1, 0])
    assert gains.mean == gains.error == 0
    assert np.isnan(gains.tasks).all()


# --- judging ----------------------------------------------------------------------------------


@both
def test_the_weights_for_a_fold_come_from_the_others(make):
    """Whatever the errors in a fold: the mixture that is judged there is the same."""
    problem, folds = make(2)
    seen = {}
    choose, problem_losses = problem.choose, problem.losses

    def noted(cells):
        mixing = choose(cells)
        if cells.dtype == bool:
            seen[int(folds[~cells][0])] = mixing
            assert len(np.unique(folds[~cells])) == 1
        return mixing

    problem.choose = noted
    judge(problem, folds, 3)
    assert set(seen) == {0, 1, 2, 3}
    part = problem.errors if isinstance(problem, SquaredErrors) else problem.predicted
    part[:, folds == 1] = part[::-1, folds == 1]  # another winner in this fold
    assert_allclose(choose(folds != 1), seen[1])
    assert not np.allclose(choose(folds != 0), seen[0], atol=1e-3)
    assert problem_losses(seen[1], folds == 1).shape == (np.sum(folds == 1),)


@both
def test_judging_by_a_plain_loop(make):
    problem, folds = make(3)
    chosen = {fold: problem.choose(np.flatnonzero(folds != fold)) for fold in range(4)}
    baseline, by_row = np.array([1.0, 0, 0]), np.zeros(len(folds))
    for cell, fold in enumerate(folds):
        one = np.array([cell])
        lost = problem.losses(baseline, one) - problem.losses(chosen[fold], one)
        by_row[cell] = problem.relative[cell] * lost[0]
    gain, error = max(by_row.sum(), 0), np.sqrt(len(folds)) * np.std(by_row)
    kept = gain**2 / (gain**2 + (problem.doubt * error) ** 2)
    assert 0.1 < kept < 1
    weights, gains = judge(problem, folds, 3)
    assert_allclose(weights, kept * problem.choose(np.arange(len(folds))) + (1 - kept) * baseline)
    mixtures = {fold: kept * chosen[fold] + (1 - kept) * baseline for fold in chosen}
    expected = gains_by_loops(problem, *losses_of(problem, folds, mixtures), 3)
    for ours, theirs in zip(gains, expected, strict=True):
        assert_allclose(ours, theirs)


@both
def test_the_order_of_rows_does_not_matter(make):
    problem, folds = make(4)
    order = np.random.default_rng(0).permutation(len(folds))
    if make is squared:
        moved = SquaredErrors(
            problem.errors[:, order],
            0.0,
            problem.weights[order],
            problem.codes[order],
            problem.rows[order],
        )
    else:
        moved = LogLosses(
            problem.predicted[:, order],
            problem.weights[order],
            problem.codes[order],
            problem.rows[order],
        )
    expected, found = judge(problem, folds, 3), judge(moved, folds[order], 3)
    assert_allclose(found.weights, expected.weights, atol=1e-8)
    for ours, theirs in zip(found.gains, expected.gains, strict=True):
        assert_allclose(ours, theirs, rtol=1e-6)


def test_nothing_is_shared_where_it_does_not_help():
    problem, folds = squared(5, noise=(0.3, 1.5, 1.2))
    problem.errors[1:] += 3 * np.sign(problem.errors[0])  # no mixture helps
    weights, gains = judge(problem, folds, 3)
    assert_allclose(weights, [1, 0, 0], atol=1e-9)
    assert_allclose([gains.mean, gains.error], 0, atol=1e-9)


def test_units_of_tasks_do_not_matter():
    """A task in other units, with prior rows out of the way, weighs the same."""
    y, weights, _, rows, folds = cells(6, n=400)
    codes = np.arange(400) % 2
    rng = np.random.default_rng(0)
    predicted = y + rng.normal(size=(3, 400)) * [[1.0], [0.6], [0.8]]
    units = np.where(codes == 1, 1e3, 1.0)
    one = judge(SquaredErrors(predicted, y, weights, codes, rows), folds, 2)
    other = judge(SquaredErrors(units * predicted, units * y, weights, codes, rows), folds, 2)
    assert_allclose(other.gains.tasks, one.gains.tasks, atol=2.0)
