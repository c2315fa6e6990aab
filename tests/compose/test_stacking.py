"""Convex weights by out-of-fold errors, against general solvers and plain loops."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize
from scipy.stats import ttest_1samp

from skmtl.compose.stacking import (
    LogLosses,
    Mixture,
    SquaredErrors,
    clearly_hurt,
    gains_of,
    judge,
    level_of_tasks,
    likelihood_weights,
    losses_of,
    probabilities_of_true,
    share_kept,
    squares_weights,
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
@pytest.mark.parametrize("seed", range(3))
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


@pytest.mark.parametrize("seed", range(4))
def test_weights_by_likelihood_are_the_best_of_a_grid(seed):
    rng = np.random.default_rng(seed)
    probabilities = rng.uniform(0.02, 1, size=(3, 50)) ** rng.uniform(0.3, 2, size=(3, 1))
    weights = rng.uniform(size=50)
    found = likelihood_weights(probabilities, weights)
    assert found.min() >= 0
    assert_allclose(found.sum(), 1)
    one, two = (part.ravel() for part in np.meshgrid(GRID[::10], GRID[::10]))
    grid = np.column_stack([one, two, 1 - one - two])[one + two <= 1]
    values = -np.log(np.maximum(grid @ probabilities, 1e-12)) @ weights / weights.sum()
    value = -weights @ np.log(found @ probabilities) / weights.sum()
    assert values.min() - 1e-4 < value <= values.min() + 1e-9
    assert_allclose(found, grid[np.argmin(values)], atol=0.02)


def test_weights_by_likelihood_are_zero_at_the_boundary():
    best = np.random.default_rng(0).uniform(0.2, 1, size=50)
    worse = best * np.array([[0.5], [1.0], [0.9]])
    found = likelihood_weights(worse, np.ones(50))
    assert found[0] == 0
    assert_allclose(found, [0, 1, 0], atol=1e-12)
    two = np.where(np.arange(50) % 2 > 0, 0.9, 0.3)
    probabilities = np.array([two, 0.3 * two, 1.2 - two])
    found = likelihood_weights(probabilities, np.ones(50))
    assert found[1] < 1e-12
    assert_allclose(found, [0.5, 0, 0.5], atol=1e-4)


def test_weight_k_is_k_copies():
    rng = np.random.default_rng(0)
    values, counts = rng.uniform(0.1, 1, size=(3, 20)), rng.integers(0, 4, size=20)
    copies = np.repeat(values, counts, axis=1)
    for choose in (squares_weights, likelihood_weights):
        assert_allclose(
            choose(values, counts.astype(float)), choose(copies, np.ones(counts.sum())), atol=1e-5
        )


def test_probabilities_of_the_true_labels():
    answers = np.array([[0.7, 0.3], [0.4, 0.6], [0.5, 0.5]])
    y, classes = np.array(["b", "a", "new"]), np.array(["a", "b"])
    assert_allclose(probabilities_of_true(answers, y, classes), [0.3, 0.4, 0.0])
    Y = np.array([["b", None], ["a", "b"], [np.nan, "c"]], dtype=object)
    told = probabilities_of_true([answers, answers], Y, classes)
    assert_allclose(told, [[0.3, np.nan], [0.4, 0.6], [np.nan, 0.0]])


# --- gains ------------------------------------------------------------------------------------


def level_by_loops(squares, weights, codes):
    """Of tasks that all have cells."""
    means, counts = [], []
    for task in range(codes.max() + 1):
        own = np.flatnonzero(codes == task)
        means.append(np.median([weights[own] @ row[own] for row in squares]) / weights[own].sum())
        counts.append(len(own))
    means, counts = np.array(means), np.array(counts)
    centre = counts @ np.log(means) / counts.sum()
    spread = 0.0
    for mean, count in zip(means, counts, strict=True):
        spread += count / counts.sum() * ((np.log(mean) - centre) ** 2 - 2 / count)
    level = np.log(counts @ means / counts.sum())
    shares = [max(spread, 0) / (max(spread, 0) + 2 / count) for count in counts]
    return np.exp([s * np.log(m) + (1 - s) * level for s, m in zip(shares, means, strict=True)])


@pytest.mark.parametrize("spread", [0.2, 1.0, 3.0])
def test_levels_by_a_plain_loop(spread):
    rng = np.random.default_rng(0)
    codes = rng.permutation(np.repeat(np.arange(5), [4, 6, 10, 15, 25]))
    squares = rng.normal(size=(3, 60)) ** 2 * np.exp(spread * rng.normal(size=5))[codes]
    weights = rng.uniform(0.2, 2, size=60)
    found = level_of_tasks(squares, weights, codes)
    assert_allclose(found, level_by_loops(squares, weights, codes))


def test_levels_of_tasks_alike_are_equal_and_of_tasks_far_apart_their_own():
    rng = np.random.default_rng(0)
    codes, weights = np.repeat(np.arange(4), 50), np.ones(200)
    alike = rng.normal(size=(1, 200)) ** 2
    level = level_of_tasks(alike, weights, codes)
    assert_array_equal(level, level[0])
    assert_allclose(level, alike.mean())
    units = np.array([1.0, 1e6, 1.0, 1e6])
    apart = level_of_tasks(alike * units[codes], weights, codes)
    means = alike.reshape(4, 50).mean(axis=1)
    assert_allclose(apart / units, means, rtol=0.05)


def test_levels_are_medians_of_the_candidates():
    """One candidate that fails a task, or is lucky there, changes nothing."""
    rng = np.random.default_rng(0)
    codes, weights = np.repeat(np.arange(3), 20), np.ones(60)
    squares = np.tile(rng.normal(size=60) ** 2 * np.array([1.0, 9.0, 100.0])[codes], (3, 1))
    expected = level_of_tasks(squares, weights, codes)
    squares[1, codes == 0] *= 1e6
    squares[2, codes == 1] *= 1e-6
    assert_allclose(level_of_tasks(squares, weights, codes), expected)


def test_levels_of_tasks_without_cells_and_without_errors():
    codes, weights = np.repeat([0, 2], 10), np.ones(20)
    assert_array_equal(level_of_tasks(np.ones((2, 20)), weights, codes), [1, 1, 1])
    assert level_of_tasks(np.zeros((2, 20)), weights, codes).min() > 0


def gains_by_loops(problem, base, mixed, n_tasks):
    """Gains in percent per task and in the mean, and standard errors by the delta method."""
    is_root = isinstance(problem, SquaredErrors)
    own = [np.flatnonzero(problem.codes == task) for task in range(n_tasks)]
    means = np.array(
        [
            [np.average(loss[rows], weights=problem.weights[rows]) for rows in own]
            for loss in (base, mixed)
        ]
    )
    scores = np.sqrt(means) if is_root else means
    slopes = 0.5 / scores if is_root else np.ones_like(scores)

    def moves(task, ratio):
        """Of the rows of a task, in the mixed score less `ratio` times the other."""
        rows = own[task]
        if len(rows) == 1:
            return scores[1, task] - ratio * scores[0, task] + np.zeros(1)
        v = problem.weights[rows] / problem.weights[rows].sum()
        parts = slopes[1, task] * mixed[rows] - ratio * slopes[0, task] * base[rows]
        return v * (parts - v @ parts) * np.sqrt(len(rows) / (len(rows) - 1))

    ratio = scores[1].sum() / scores[0].sum()
    by_row, errors = np.zeros(problem.rows.max() + 1), np.full(n_tasks, np.nan)
    for task, rows in enumerate(own):
        np.add.at(by_row, problem.rows[rows], moves(task, ratio))
        if len(rows) > 1:
            alone = moves(task, scores[1, task] / scores[0, task])
            errors[task] = np.sqrt(np.sum(alone**2)) / scores[0, task]
    gains = 1 - scores[1] / scores[0]
    error = np.sqrt(np.sum(by_row**2)) / scores[0].sum()
    return 100 * gains, 100 * errors, 100 * (1 - ratio), 100 * error


def fixed(*weights):
    """The same mixture for each of four folds."""
    return dict.fromkeys(range(4), Mixture(np.array(weights)))


@both
@pytest.mark.parametrize("kind", ["plain", "clustered", "a single row"])
def test_gains_are_those_of_a_plain_loop(make, kind):
    problem, folds = make(0)
    if kind == "clustered":  # several cells of a row
        problem.rows = np.arange(len(folds)) % 20
    elif kind == "a single row":
        problem.codes = np.where(np.arange(len(folds)) == 7, 2, np.minimum(problem.codes, 1))
    base, mixed = losses_of(problem, folds, fixed(0.2, 0.5, 0.3))
    gains = gains_of(problem, base, mixed, 3)
    for ours, theirs in zip(gains, gains_by_loops(problem, base, mixed, 3), strict=True):
        assert_allclose(ours, theirs)


@both
def test_cells_of_one_row_err_together(make):
    problem, folds = make(0, n_tasks=1)
    base, mixed = losses_of(problem, folds, fixed(0.0, 1.0, 0.0))
    apart = gains_of(problem, base, mixed, 1)
    twice = [np.concatenate([part, part]) for part in (problem.weights, problem.rows)]
    problem.weights, problem.rows = twice
    problem.codes = np.repeat([0, 1], len(base))  # another output with the same errors
    together = gains_of(problem, np.tile(base, 2), np.tile(mixed, 2), 2)
    assert_allclose(together.mean, apart.mean)
    assert_allclose(together.error, apart.error)


@pytest.mark.parametrize("kind", ["one task", "tasks", "single rows", "outputs", "labels"])
def test_standard_errors_are_those_of_a_simulation(kind):
    n_tasks = {"one task": 1, "tasks": 4, "single rows": 40, "outputs": 3, "labels": 3}[kind]
    rng = np.random.default_rng(0)
    n = 40 if kind == "single rows" else 30 * n_tasks
    codes, rows, weights = np.arange(n) % n_tasks, np.arange(n), np.ones(n)
    if kind == "outputs":
        rows = rows // n_tasks
    draws = []
    for _ in range(400):
        if kind == "outputs":  # of one row alike
            noise = rng.normal(size=(2, n // n_tasks)).repeat(n_tasks, axis=1)
        else:
            noise = rng.normal(size=(2, n))
        noise = noise * np.array([[1.0], [0.8]]) + 0.3 * rng.normal(size=n)
        if kind == "labels":
            problem = LogLosses(1 / (1 + np.exp(noise - 1)), weights, codes, rows)
        else:
            problem = SquaredErrors(noise, 0.0, weights, codes, rows)
        gains = gains_of(problem, *losses_of(problem, codes * 0, {0: Mixture(HALF)}), n_tasks)
        draws.append([gains.mean, gains.error, gains.tasks[0], gains.task_errors[0]])
    draws = np.array(draws)
    assert_allclose(draws[:, 1].mean(), draws[:, 0].std(), rtol=0.15)
    if kind == "single rows":
        assert np.isnan(draws[:, 3]).all()
    else:
        assert_allclose(draws[:, 3].mean(), draws[:, 2].std(), rtol=0.15)


HALF = np.array([0.5, 0.5])


def test_half_of_every_error_is_a_gain_of_half_without_doubt():
    errors = np.random.default_rng(0).normal(size=24)
    for codes in (np.arange(24), np.arange(24) % 3):
        problem = SquaredErrors(np.array([2 * errors, errors]), 0.0, np.ones(24), codes, codes)
        gains = gains_of(problem, 4 * errors**2, errors**2, codes.max() + 1)
        assert_allclose(gains.tasks, 50)
        assert_allclose([gains.mean, gains.error], [50, 0], atol=1e-9)


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
    weights, alone, gains = judge(problem, np.arange(8) % 2, 2)
    assert_allclose(weights, [1, 0])
    assert not alone.any()
    assert gains.mean == gains.error == 0
    assert np.isnan(gains.tasks).all()


# --- judging ----------------------------------------------------------------------------------


def spoiled(problem, cells):
    """The errors of some cells exchanged between strategies."""
    part = problem.errors if isinstance(problem, SquaredErrors) else problem.predicted
    part[:, cells] = part[::-1, cells]


@both
def test_the_mixture_for_a_fold_leaves_it_out(make):
    """Whatever the losses there: another winner in the fold changes the others' only."""
    problem, folds = make(2)
    losses = losses_of(problem, folds, fixed(0.2, 0.5, 0.3))
    before = [Mixture.of(problem, folds != fold, losses, 3) for fold in range(4)]
    first = [problem.choose(folds != fold) for fold in range(4)]
    spoiled(problem, folds == 1)
    losses[:, folds == 1] = losses[::-1, folds == 1]
    after = [Mixture.of(problem, folds != fold, losses, 3) for fold in range(4)]
    assert_array_equal(after[1].weights, before[1].weights)
    assert_array_equal(after[1].alone, before[1].alone)
    assert_array_equal(problem.choose(folds != 1), first[1])
    assert not np.allclose(after[0].weights, before[0].weights, atol=1e-3)


@both
def test_losses_are_of_the_mixture_for_the_fold(make):
    problem, folds = make(3)
    alone = np.array([False, True, False])
    mixtures = {
        fold: Mixture(np.array([0.1, 0.9 - 0.2 * fold, 0.2 * fold]), alone if fold == 2 else None)
        for fold in range(4)
    }
    losses = losses_of(problem, folds, mixtures)
    baseline = np.array([1.0, 0, 0])
    for cell, fold in enumerate(folds):
        own = fold == 2 and problem.codes[cell] == 1
        chosen = baseline if own else mixtures[fold].weights
        expected = [problem.losses(mixing, [cell])[0] for mixing in (baseline, chosen)]
        assert_allclose(losses[:, cell], expected)


def test_tasks_are_clearly_hurt_by_a_t_test():
    rng = np.random.default_rng(0)
    codes = np.repeat(np.arange(12), 8)[:-7]  # the last has one row
    cells = rng.uniform(size=len(codes)) < 0.9
    cells[-1] = True
    shift = np.linspace(0, 0.5, 12)[codes]
    roots = rng.uniform(1, 1.5, size=(2, len(codes))) + np.array([0 * shift, shift])
    problem = LogLosses(np.ones((2, len(codes))), np.ones(len(codes)), codes, codes)
    hurt = clearly_hurt(roots**2, problem, cells, 13)
    expected = np.zeros(13, dtype=bool)
    for task in range(11):
        own = cells & (codes == task)
        found = ttest_1samp(roots[0, own] - roots[1, own], 0, alternative="less")
        expected[task] = found.pvalue < 0.01
    assert_array_equal(hurt, expected)
    assert 0 < hurt.sum() < 11


@both
def test_the_share_kept_by_a_plain_loop(make):
    problem, folds = make(4)
    problem.rows = np.arange(len(folds)) % 25
    losses, cells = losses_of(problem, folds, fixed(0.2, 0.5, 0.3)), folds > 0
    by_row = {}
    for cell in np.flatnonzero(cells):
        gained = problem.relative[cell] * (losses[0, cell] - losses[1, cell])
        by_row[problem.rows[cell]] = by_row.get(problem.rows[cell], 0) + gained
    by_row = np.array(list(by_row.values()))
    gain, error = by_row.sum(), np.sqrt(len(by_row)) * np.std(by_row)
    expected = gain**2 / (gain**2 + (problem.doubt * error) ** 2)
    assert 0.1 < expected < 1
    assert_allclose(share_kept(losses, problem, cells), expected)
    assert share_kept(losses[::-1], problem, cells) == 0
    assert share_kept(losses[[0, 0]], problem, cells) == 0


@both
@pytest.mark.parametrize("hurt", [False, True])
def test_judging_by_a_plain_loop(make, hurt):
    problem, folds = make(3)
    if hurt:
        spoil_task(problem, 1)
    baseline = np.array([1.0, 0, 0])

    def mixture(cells, losses):
        judged, alone = losses, np.zeros(3, dtype=bool)
        for _ in range(4):  # the tasks that it hurts leave, one round after the other
            alone = alone | clearly_hurt(judged, problem, cells, 3)
            voting = cells & ~np.isin(problem.codes, np.flatnonzero(alone))
            kept = share_kept(losses, problem, voting)
            weights = kept * problem.choose(voting) + (1 - kept) * baseline
            judged = np.array([losses[0], problem.losses(weights, np.arange(len(folds)))])
        return Mixture(weights, alone)

    first = {fold: Mixture(problem.choose(folds != fold)) for fold in range(4)}
    losses = losses_of(problem, folds, first)
    found = judge(problem, folds, 3)
    expected = mixture(folds >= 0, losses)
    assert_allclose(found.weights, expected.weights)
    assert_array_equal(found.alone, [False, hurt, False])
    final = {fold: mixture(folds != fold, losses) for fold in range(4)}
    expected = gains_by_loops(problem, *losses_of(problem, folds, final), 3)
    for ours, theirs in zip(found.gains, expected, strict=True):
        assert_allclose(ours, theirs)


def spoil_task(problem, task):
    """All strategies but the baseline fail it."""
    own = problem.codes == task
    if isinstance(problem, SquaredErrors):
        problem.errors[1:, own] = 3 * problem.errors[0, own]
    else:
        problem.predicted[1:, own] = 0.2 * problem.predicted[0, own]


@both
def test_a_hurt_task_does_not_vote(make):
    """The others choose as they would without it."""
    problem, folds = make(3)
    spoil_task(problem, 1)
    losses = losses_of(problem, folds, fixed(0.2, 0.5, 0.3))
    everywhere = np.ones(len(folds), dtype=bool)
    found = Mixture.of(problem, everywhere, losses, 3)
    assert_array_equal(found.alone, [False, True, False])
    others = Mixture.of(problem, problem.codes != 1, losses, 3)
    assert_array_equal(found.weights, others.weights)
    for task in (0, 2):
        spoil_task(problem, task)
    losses = losses_of(problem, folds, fixed(0.2, 0.5, 0.3))
    found = Mixture.of(problem, everywhere, losses, 3)
    assert found.alone.all()
    assert_array_equal(found.weights, [1, 0, 0])


def test_probabilities_beyond_one_by_rounding():
    codes = np.zeros(8, dtype=int)
    problem = LogLosses(np.full((2, 8), 1 + 4e-16), np.ones(8), codes, np.arange(8))
    assert_array_equal(problem.losses(HALF, codes == 0), np.zeros(8))
    assert judge(problem, np.arange(8) % 2, 1).gains.mean == 0


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
    assert_allclose(found.weights, expected.weights, atol=1e-5)
    for ours, theirs in zip(found.gains, expected.gains, strict=True):
        assert_allclose(ours, theirs, rtol=1e-4)


def test_nothing_is_shared_where_it_does_not_help():
    problem, folds = squared(5, noise=(0.3, 1.5, 1.2))
    problem.errors[1:] += 3 * np.sign(problem.errors[0])  # no mixture helps
    weights, _, gains = judge(problem, folds, 3)
    assert_allclose(weights, [1, 0, 0], atol=1e-9)
    assert_allclose([gains.mean, gains.error], 0, atol=1e-9)


def test_units_of_tasks_do_not_matter():
    """A task in other units weighs the same."""
    y, weights, _, rows, folds = cells(6, n=400)
    codes = np.arange(400) % 2
    rng = np.random.default_rng(0)
    predicted = y + rng.normal(size=(3, 400)) * [[1.0], [0.6], [0.8]]
    units = np.where(codes == 1, 1e3, 1.0)
    one = judge(SquaredErrors(predicted, y, weights, codes, rows), folds, 2)
    other = judge(SquaredErrors(units * predicted, units * y, weights, codes, rows), folds, 2)
    assert_allclose(other.gains.tasks, one.gains.tasks, atol=2.0)
