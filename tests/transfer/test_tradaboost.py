"""TrAdaBoost: weights of plain loops written from the papers, and what they should lead to."""

from itertools import pairwise

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.ensemble import AdaBoostClassifier
from sklearn.model_selection import PredefinedSplit
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from skmtl.transfer.reweighting import TrAdaBoostClassifier, TrAdaBoostRegressor
from skmtl.transfer.reweighting.base import Learner
from skmtl.transfer.reweighting.r2 import (
    boost_frozen,
    lowered,
    relative_errors,
    source_stages,
    weighted_median,
)
from skmtl.transfer.sources import Rows

N_SOURCE, N_TARGET = 80, 30
SMALL = {"n_estimators": 6}


def recording(kind):
    """A tree class that keeps the weights of all its fits."""

    class Recording(kind):
        weights = []  # noqa: RUF012

        def fit(self, X, y, sample_weight=None):
            sums = np.ones(len(y)) if sample_weight is None else np.asarray(sample_weight)
            self.weights.append(sums / sums.sum())
            return super().fit(X, y, sample_weight)

    return Recording


def numbers_of(seed=0, n_source=N_SOURCE):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_source + N_TARGET, 3))
    is_source = np.arange(len(X)) < n_source
    y = 2 * np.sin(X[:, 0]) + X[:, 1] * np.where(is_source, 1.0, 0.6)
    y += 0.3 * rng.normal(size=len(X))
    return (X[:n_source], y[:n_source]), (X[n_source:], y[n_source:])


def labels_of(n_classes=2, seed=0):
    (X0, y0), (X, y) = numbers_of(seed)
    cuts = np.linspace(-1.0, 1.0, n_classes + 1)[1:-1]
    return (X0, np.searchsorted(cuts, y0)), (X, np.searchsorted(cuts, y))


def stacked(rows, target):
    """Target rows first, as the estimators stack them."""
    return np.vstack([target[0], rows[0]]), np.concatenate([target[1], rows[1]])


@pytest.mark.parametrize("n_classes", [2, 3])
def test_classifier_has_the_weights_of_the_paper(n_classes):
    rows, target = labels_of(n_classes)
    X, y = stacked(rows, target)
    base = DecisionTreeClassifier(max_depth=2, random_state=0)
    n_rounds, m, n = 6, N_TARGET, N_SOURCE
    beta = 1 / (1 + np.sqrt(2 * np.log(n) / n_rounds))
    weights, expected, votes, answers = np.ones(m + n), [], [], []
    for _ in range(n_rounds):
        p = weights / weights.sum()
        expected.append(p)
        told = clone(base).fit(X, y, sample_weight=p).predict(X)
        answers.append(told[:m])
        wrong = told != y
        error = weights[:m][wrong[:m]].sum() / weights[:m].sum()
        beta_t = error / (1 - error) / (n_classes - 1)
        assert 0 < beta_t < 1 + 1e-9
        votes.append(np.log(1 / beta_t))
        weights[:m] = weights[:m] * beta_t ** -wrong[:m].astype(float)
        weights[m:] = weights[m:] * beta ** wrong[m:].astype(float)
    tree = recording(DecisionTreeClassifier)
    model = TrAdaBoostClassifier(rows, estimator=tree(max_depth=2), n_estimators=n_rounds)
    model.fit(*target)
    assert_allclose(tree.weights, expected, rtol=1e-9)
    assert_allclose(model.estimator_weights_, votes, rtol=1e-9)
    last = slice(n_rounds // 2 - 1, None)  # rounds ceil(N / 2) to N, counted from 1
    shares = np.zeros((m, n_classes))
    for vote, told in zip(votes[last], answers[last], strict=True):
        shares[np.arange(m), told] += vote
    expected_proba = shares / sum(votes[last])
    assert_allclose(model.predict_proba(target[0]), expected_proba, rtol=1e-9, atol=1e-12)
    assert_allclose(model.source_weights_, [weights[m:].sum() / weights.sum()], rtol=1e-9)
    history = [p[m:].sum() for p in expected]
    assert_allclose(model.source_weight_history_[:, 0], history, rtol=1e-9)


def test_regressor_in_one_stage_has_the_weights_of_the_paper():
    rows, target = numbers_of()
    X, y = stacked(rows, target)
    n_rounds, m, n = 7, N_TARGET, N_SOURCE
    beta = 1 / (1 + np.sqrt(2 * np.log(n) / n_rounds))
    weights, expected, votes = np.ones(m + n), [], []
    for _ in range(n_rounds):
        p = weights / weights.sum()
        expected.append(p)
        tree = DecisionTreeRegressor(max_depth=3, random_state=0).fit(X, y, sample_weight=p)
        errors = np.abs(tree.predict(X) - y)
        errors = errors / errors.max()
        error = (p[:m] * errors[:m]).sum() / p[:m].sum()
        beta_t = error / (1 - error)
        votes.append(np.log(1 / beta_t))
        weights = np.append(p[:m] * beta_t ** -errors[:m], p[m:] * beta ** errors[m:])
    tree = recording(DecisionTreeRegressor)
    model = TrAdaBoostRegressor(
        rows, estimator=tree(max_depth=3), method="r2", n_estimators=n_rounds
    ).fit(*target)
    assert_allclose(tree.weights, expected, rtol=1e-9)
    assert_allclose(model.estimator_weights_, votes, rtol=1e-9)
    assert model.first_vote_ == 3  # the fourth of seven


def learner_of(estimator, n_rounds=6):
    rows, target = numbers_of()
    X, y = stacked(rows, target)
    origin = np.repeat([0, 1], [N_TARGET, N_SOURCE])
    return Learner(estimator, Rows(X, y, None), origin, n_rounds, 0)


def test_steps_lower_sources_by_their_errors_to_even_shares():
    learner = learner_of(DecisionTreeRegressor(max_depth=3))
    steps = list(source_stages(learner, 6))
    own = learner.is_target
    start = N_TARGET / (N_TARGET + N_SOURCE)
    shares = [weights[own].sum() / weights.sum() for weights in steps]
    assert_allclose(shares, start + np.arange(6) / 5 * (1 - start), rtol=1e-10)
    assert (steps[-1][~own] == 0).all()
    for number, (before, after) in enumerate(pairwise(steps[:-1])):
        assert_array_equal(before[own], after[own])
        errors = relative_errors(learner, learner.fit(before, number), before)[~own]
        slopes = np.log(after[~own] / before[~own]) / errors  # log(beta), the same for all rows
        assert_allclose(slopes, slopes[0], rtol=1e-6)


def test_lowered_weights_meet_the_goal():
    rng = np.random.default_rng(0)
    weights, errors = rng.random(50), rng.random(50)
    for goal in (20.0, 5.0, 1e-3):
        assert_allclose(lowered(weights, errors, goal).sum(), goal)
    # No weight is left by the steepest fall that there is.
    assert_allclose(lowered(np.ones(2), np.ones(2), 0.5), 0.25)
    errors[:25] = 0.0  # rows without an error cannot fall by themselves
    assert_allclose(lowered(weights, errors, 1.0).sum(), 1.0)


def test_second_stage_has_the_weights_of_the_paper_and_frozen_sources():
    tree = recording(DecisionTreeRegressor)
    learner = learner_of(tree(max_depth=3))
    X, y, m = learner.rows.X, learner.rows.y, N_TARGET
    start = list(source_stages(learner, 4))[1]
    tree.weights.clear()
    boosted = boost_frozen(learner, start)
    weights, expected = start / start.sum(), []
    share = weights[:m].sum()
    for _ in range(6):
        expected.append(weights)
        model = DecisionTreeRegressor(max_depth=3, random_state=0).fit(X, y, sample_weight=weights)
        errors = np.abs(model.predict(X) - y)
        errors = errors / errors.max()
        beta = (weights @ errors) / (1 - weights @ errors)
        changed = weights[:m] * beta ** (1 - errors[:m])
        weights = np.append(share * changed / changed.sum(), weights[m:])
    assert_allclose(tree.weights, expected, rtol=1e-9)
    assert_allclose(boosted.weights[m:], start[m:], rtol=1e-14)


def test_without_sources_it_is_adaboost():
    _, (X, y) = labels_of(3)
    base = DecisionTreeClassifier(max_depth=1, random_state=0)
    ours = TrAdaBoostClassifier(estimator=base, n_estimators=10).fit(X, y)
    theirs = AdaBoostClassifier(base, n_estimators=10, random_state=0).fit(X, y)
    assert_allclose(ours.estimator_errors_, theirs.estimator_errors_, rtol=1e-9)
    assert_array_equal(ours.predict(X), theirs.predict(X))
    assert ours.source_weights_.shape == (0,)


def test_without_sources_numbers_are_boosted_by_drucker():
    _, (X, y) = numbers_of()
    model = TrAdaBoostRegressor(n_estimators=5, estimator=DecisionTreeRegressor(max_depth=2))
    model.fit(X, y)
    weights, votes, answers = np.full(len(y), 1 / len(y)), [], []
    for _ in range(5):
        tree = DecisionTreeRegressor(max_depth=2, random_state=0).fit(X, y, sample_weight=weights)
        errors = np.abs(tree.predict(X) - y)
        errors = errors / errors.max()
        error = weights @ errors
        beta = error / (1 - error)
        weights = weights * beta ** (1 - errors)
        weights = weights / weights.sum()
        votes.append(np.log(1 / beta))
        answers.append(tree.predict(X))
    assert_allclose(model.estimator_weights_, votes, rtol=1e-9)
    assert_allclose(model.predict(X), weighted_median(np.array(answers), np.array(votes)))


def test_weighted_median_against_brute_force():
    rng = np.random.default_rng(0)
    values, weights = rng.normal(size=(7, 20)), rng.integers(1, 5, size=7).astype(float)
    copies = np.sort(np.repeat(values, weights.astype(int), axis=0), axis=0)
    expected = copies[(len(copies) - 1) // 2]
    assert_allclose(weighted_median(values, weights), expected)


def test_a_source_that_contradicts_the_target_loses_its_weight():
    rows, target = labels_of()
    opposite = rows[0], 1 - rows[1]
    helpful = TrAdaBoostClassifier(rows, n_estimators=20).fit(*target)
    hurtful = TrAdaBoostClassifier(opposite, n_estimators=20).fit(*target)
    assert hurtful.source_weights_[0] < 0.5 * helpful.source_weights_[0]
    assert hurtful.score(*target) > 0.8


def test_of_several_sources_each_round_takes_the_best():
    """Yao, Doretto 2010, algorithm 1, as a plain loop."""
    first, target = labels_of()
    second, _ = labels_of(seed=7)
    second = second[0], np.where(np.arange(N_SOURCE) % 4 == 0, 1 - second[1], second[1])
    X, y = stacked((np.vstack([first[0], second[0]]), np.append(first[1], second[1])), target)
    origin = np.repeat([0, 1, 2], [N_TARGET, N_SOURCE, N_SOURCE])
    n_rounds, weights, chosen, errors = 5, np.ones(len(y)), [], []
    beta = 1 / (1 + np.sqrt(2 * np.log(2 * N_SOURCE) / n_rounds))
    for _ in range(n_rounds):
        told, error = [], []
        for source in (1, 2):
            rows = (origin == 0) | (origin == source)
            tree = DecisionTreeClassifier(max_depth=1, random_state=0)
            told.append(tree.fit(X[rows], y[rows], sample_weight=weights[rows]).predict(X))
            error.append(np.average((told[-1] != y)[origin == 0], weights=weights[origin == 0]))
        best = int(np.argmin(error))
        chosen.append(best)
        errors.append(error[best])
        beta_t = error[best] / (1 - error[best])
        wrong = (told[best] != y).astype(float)
        weights = weights * np.where(origin == 0, beta_t**-wrong, beta**wrong)
    model = TrAdaBoostClassifier(
        [first, second], estimator=DecisionTreeClassifier(max_depth=1), n_estimators=n_rounds
    ).fit(*target)
    assert_array_equal(model.chosen_sources_, chosen)
    assert_allclose(model.estimator_errors_, errors, rtol=1e-9)
    shares = np.bincount(origin, weights)[1:] / weights.sum()
    assert_allclose(model.source_weights_, shares, rtol=1e-9)
    assert model.first_vote_ == 0
    pooled = TrAdaBoostClassifier([first, second], n_estimators=4, multi_source="pooled")
    assert_array_equal(pooled.fit(*target).chosen_sources_, -1)


def test_two_stages_beat_the_target_alone_and_survive_noise():
    errors = {"two": [], "alone": [], "noise": []}
    for seed in range(2):
        _, (X, y) = numbers_of(seed)
        _, (more, truth) = numbers_of(seed + 100)
        alike = [numbers_of(number)[1] for number in range(50, 55)]
        rows = tuple(np.concatenate(parts) for parts in zip(*alike, strict=True))
        noise = rows[0], np.random.default_rng(seed).permutation(rows[1])
        options = {"n_estimators": 6, "n_steps": 4}
        models = {
            "two": TrAdaBoostRegressor(rows, **options),
            "alone": TrAdaBoostRegressor(n_estimators=6),
            "noise": TrAdaBoostRegressor(noise, **options),
        }
        for name, model in models.items():
            errors[name].append(np.mean((model.fit(X, y).predict(more) - truth) ** 2))
    assert np.mean(errors["two"]) < 0.8 * np.mean(errors["alone"])
    assert np.mean(errors["noise"]) < 1.3 * np.mean(errors["alone"])


def test_at_the_last_step_it_is_the_target_alone():
    rows, (X, y) = numbers_of()
    noise = rows[0], 100 * np.random.default_rng(0).normal(size=N_SOURCE)
    model = TrAdaBoostRegressor(noise, n_estimators=5, n_steps=3).fit(X, y)
    assert model.best_step_ == 2
    assert model.step_shares_[-1] == 1.0
    assert_array_equal(model.source_weights_, [0.0])
    alone = TrAdaBoostRegressor(n_estimators=5).fit(X, y)
    assert_allclose(model.predict(X), alone.predict(X))


def test_errors_of_steps_are_those_of_the_rows_left_out():
    rows, (X, y) = numbers_of()
    folds = np.arange(N_TARGET) % 3
    cv = PredefinedSplit(folds)
    tree = DecisionTreeRegressor(max_depth=2)
    model = TrAdaBoostRegressor(rows, estimator=tree, n_estimators=4, n_steps=2, cv=cv).fit(X, y)
    squares = 0.0
    for fold in range(3):
        held = folds == fold
        part = TrAdaBoostRegressor(estimator=tree, n_estimators=4).fit(X[~held], y[~held])
        squares += np.sum((part.predict(X[held]) - y[held]) ** 2)
    assert_allclose(model.step_errors_[1], squares / N_TARGET)


def test_steps_from_the_best_on_predict_their_mean():
    rows, (X, y) = numbers_of()
    folds = np.arange(N_TARGET) % 3
    tree = DecisionTreeRegressor(max_depth=3)
    model = TrAdaBoostRegressor(
        rows, estimator=tree, n_estimators=6, n_steps=4, cv=PredefinedSplit(folds)
    ).fit(X, y)

    def means(learner, new):
        """Mean of a step and all after it, for every step."""
        answers = []
        for weights in source_stages(learner, 4):
            stage = boost_frozen(learner, weights)
            told = np.stack([model.predict(new) for model in stage.models])
            answers.append(weighted_median(told, np.array(stage.votes)))
        return np.stack([np.mean(answers[step:], axis=0) for step in range(4)])

    learner = learner_of(tree)
    squares = np.zeros(4)
    for fold in range(3):
        held = np.flatnonzero(folds == fold)
        squares += ((means(learner.without(held), X[held]) - y[held]) ** 2).sum(axis=1)
    assert_allclose(model.step_errors_, squares / N_TARGET)
    assert model.best_step_ == np.argmin(squares)
    assert_allclose(model.predict(X), means(learner, X)[model.best_step_])
    shares = model.step_shares_[model.best_step_ :]
    assert_allclose(model.source_weights_, [1.0 - shares.mean()])


def test_results_do_not_depend_on_n_jobs_or_the_way_sources_come():
    rows, (X, y) = numbers_of()
    options = {"n_estimators": 4, "n_steps": 3}
    expected = TrAdaBoostRegressor(rows, **options).fit(X, y).predict(X)
    parallel = TrAdaBoostRegressor(rows, n_jobs=2, **options).fit(X, y)
    assert_array_equal(parallel.predict(X), expected)
    ids = np.repeat(["s", "t"], [N_SOURCE, N_TARGET])
    table = TrAdaBoostRegressor(target_task="t", **options)
    table.fit(np.vstack([rows[0], X]), np.append(rows[1], y), tasks=ids)
    assert_array_equal(table.predict(X, tasks=np.repeat("t", len(X))), expected)


def test_weights_are_copies_of_rows_of_source_and_target():
    rows, (X, y) = labels_of()
    rng = np.random.default_rng(0)
    own, other = rng.integers(1, 3, size=N_TARGET), rng.integers(1, 3, size=N_SOURCE)
    options = {"n_estimators": 6, "estimator": DecisionTreeClassifier(max_depth=1)}
    weighted = TrAdaBoostClassifier((*rows, other.astype(float)), **options)
    weighted.fit(X, y, sample_weight=own)
    copies = np.repeat(rows[0], other, axis=0), np.repeat(rows[1], other)
    copied = TrAdaBoostClassifier(copies, **options)
    copied.fit(np.repeat(X, own, axis=0), np.repeat(y, own))
    assert_allclose(weighted.estimator_errors_, copied.estimator_errors_, rtol=1e-9)
    assert_allclose(weighted.predict_proba(X), copied.predict_proba(X), rtol=1e-9)


def test_labels_of_either_side_only():
    rows, (X, y) = labels_of(3)
    source = rows[0][rows[1] < 2], rows[1][rows[1] < 2]
    model = TrAdaBoostClassifier(source, **SMALL).fit(X[y > 0], y[y > 0])
    assert_array_equal(model.classes_, [0, 1, 2])
    assert_allclose(model.predict_proba(X).sum(axis=1), 1.0)
    assert 2 in model.predict(X)


def test_frames_with_text_in_a_pipeline():
    pandas = pytest.importorskip("pandas")
    rows, (X, y) = labels_of()

    def frame(X):
        table = pandas.DataFrame(X, columns=["a", "b", "c"])
        return table.assign(word=np.where(X[:, 2] > 0, "up", "down"))

    coded = make_column_transformer((OneHotEncoder(), ["word"]), remainder=StandardScaler())
    estimator = make_pipeline(coded, DecisionTreeClassifier(max_depth=3))
    model = TrAdaBoostClassifier((frame(rows[0]), rows[1]), estimator=estimator, **SMALL)
    assert model.fit(frame(X), y).score(frame(X), y) >= 0.7


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (TrAdaBoostClassifier(estimator=KNeighborsClassifier()), "takes no sample_weight"),
        (TrAdaBoostRegressor(estimator=KNeighborsRegressor()), "takes no sample_weight"),
        (TrAdaBoostRegressor(method="three"), "method='three' is not one of"),
        (TrAdaBoostRegressor(n_steps=1), "n_steps=1"),
        (TrAdaBoostClassifier(n_estimators=0), "n_estimators=0"),
        (TrAdaBoostClassifier(multi_source="all"), "multi_source='all' is not one of"),
    ],
)
def test_wrong_parameters(model, message):
    with pytest.raises(ValueError, match=message):
        model.fit(np.eye(4), [0, 1, 0, 1])
