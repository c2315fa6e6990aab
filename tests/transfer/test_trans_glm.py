"""Trans-GLM: detection, the two steps, the guard, and what the target alone gives."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.linear_model import Lasso

from skmtl import TransGLMClassifier, TransGLMRegressor
from skmtl.datasets.transfer_simulations import make_trans_glm
from skmtl.model_selection import TargetKFold
from skmtl.transfer.detection import simplex_minimum
from skmtl.transfer.two_step import deal_folds

SMALL = {"n_target": 100, "n_source": 100, "n_features": 60, "n_sources": 3, "n_useful": 2}
QUICK = {"alphas": 12, "cv": 3}


def small(family="gaussian", seed=0, **options):
    return make_trans_glm(family, **{**SMALL, "h": 2.0, **options}, random_state=seed)


def model_for(family, rows, **options):
    if family == "binomial":
        return TransGLMClassifier(rows, **{**QUICK, **options})
    return TransGLMRegressor(rows, family=family, **{**QUICK, **options})


def test_published_simulation():
    sim = make_trans_glm(random_state=0)
    options = {"alphas": 15, "cv": 3}
    model = TransGLMRegressor(sim.source_rows, **options).fit(sim.X, sim.y)
    assert model.useful_sources_ == sim.useful
    alone = TransGLMRegressor(**options).fit(sim.X, sim.y)
    pooled = TransGLMRegressor(sim.source_rows, useful="all", **options).fit(sim.X, sim.y)
    error, of_target, of_pool = (
        np.linalg.norm(w - sim.coef) for w in (model.coef_, alone.coef_, pooled.coef_pooled_)
    )
    assert error < min(of_target, of_pool)
    assert model.gain_ > 0


def test_a_source_must_beat_a_constant():
    """Where the target alone explains nothing, sources of noise are as good, and yet of no use."""
    random = np.random.RandomState(0)
    X, y = random.normal(size=(60, 30)), random.normal(size=60)
    rows = [(random.normal(size=(60, 30)), random.normal(size=60)) for _ in range(4)]
    model = TransGLMRegressor(rows, **QUICK).fit(X, y)
    assert model.useful_sources_ == []
    assert (model.source_losses_ < 1.05 * model.target_loss_).any()


def test_detection_by_hand():
    """The paired differences of held-out losses, with every lasso fitted by scikit-learn."""
    sim = small(n_sources=1, n_useful=1)
    alphas = [0.1]  # nothing to choose
    model = model_for("gaussian", sim.source_rows, alphas=alphas).fit(sim.X, sim.y)
    folds = deal_folds(sim.y, 5, 0)
    losses = np.zeros((3, 100))
    X_source, y_source = sim.source_rows[0]
    for fold in range(5):
        train, test = folds != fold, folds == fold
        X, y = sim.X[train], sim.y[train]
        alone = Lasso(alpha=0.1, tol=1e-12).fit(X, y)
        centred = [X - X.mean(axis=0), X_source - X_source.mean(axis=0)]
        targets = [y - y.mean(), y_source - y_source.mean()]
        pooled = Lasso(alpha=0.1, tol=1e-12, fit_intercept=False)
        pooled.fit(np.concatenate(centred), np.concatenate(targets))
        of_pool = y.mean() + (sim.X[test] - X.mean(axis=0)) @ pooled.coef_
        for place, predicted in enumerate([y.mean(), alone.predict(sim.X[test]), of_pool]):
            losses[place, test] = 0.5 * (sim.y[test] - predicted) ** 2
    constant, alone, pooled = losses
    assert_allclose(model.target_loss_, alone.mean(), rtol=1e-3)
    assert_allclose(model.source_losses_, [pooled.mean()], rtol=1e-3)
    threshold = min(
        alone.mean() + 1.645 * np.std(pooled - alone) / 10,
        constant.mean() - 1.645 * np.std(pooled - constant) / 10,
        constant.mean() - 0.5 * (constant.mean() - min(alone.mean(), pooled.mean())),
    )
    assert_allclose(model.loss_thresholds_, [threshold], rtol=1e-3)


@pytest.mark.parametrize("family", ["gaussian", "binomial", "poisson"])
def test_families(family):
    sim = small(family)
    model = model_for(family, sim.source_rows).fit(sim.X, sim.y)
    assert_allclose(model.coef_, model.coef_pooled_ + model.coef_offset_)
    assert_array_equal(model.source_weights_ == 1, np.isin([0, 1, 2], model.useful_sources_))
    useful = model.source_losses_ <= model.loss_thresholds_
    assert (model.source_weights_ <= useful).all()
    assert np.isfinite(model.predict(sim.X)).all()
    assert model.score(sim.X, sim.y) > 0.1
    assert model.dual_gap_ < 1e-8


@pytest.mark.parametrize("family", ["gaussian", "binomial", "poisson"])
def test_no_sources_is_the_target_alone(family):
    sim = small(family)
    alone = model_for(family, None).fit(sim.X, sim.y)
    none = model_for(family, sim.source_rows, useful=[]).fit(sim.X, sim.y)
    assert_array_equal(alone.coef_, none.coef_)
    assert alone.source_weights_.shape == (0,)
    assert (none.source_weights_ == 0).all()


def test_target_alone_is_a_lasso():
    sim = small()
    model = model_for("gaussian", None).fit(sim.X, sim.y)
    lasso = Lasso(alpha=model.alpha_pooled_, tol=1e-12).fit(sim.X, sim.y)
    assert_allclose(model.coef_, lasso.coef_, atol=1e-6)
    assert_allclose(model.intercept_, lasso.intercept_, atol=1e-6)


def test_two_steps_by_hand():
    sim = small()
    model = model_for("gaussian", sim.source_rows, useful=[0]).fit(sim.X, sim.y)
    rows = [(sim.X, sim.y), sim.source_rows[0]]
    centred = [(X - X.mean(axis=0), y - y.mean()) for X, y in rows]
    X, y = (np.concatenate(part) for part in zip(*centred, strict=True))
    pooled = Lasso(alpha=model.alpha_pooled_, fit_intercept=False, tol=1e-12).fit(X, y)
    assert_allclose(model.coef_pooled_, pooled.coef_, atol=1e-6)
    residual = sim.y - sim.X @ pooled.coef_
    offset = Lasso(alpha=model.alpha_offset_, tol=1e-12).fit(sim.X, residual)
    assert_allclose(model.coef_offset_, offset.coef_, atol=1e-6)
    assert_allclose(model.intercept_, offset.intercept_, atol=1e-6)


def test_a_shifted_source_is_as_useful():
    sim = small()
    shifted = [(X + 3.0, y + 100.0) for X, y in sim.source_rows]
    one, other = (
        model_for("gaussian", rows).fit(sim.X, sim.y) for rows in (sim.source_rows, shifted)
    )
    assert one.useful_sources_ == other.useful_sources_
    assert_allclose(one.coef_, other.coef_, atol=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_no_negative_transfer(seed):
    """Sources of the opposite sign are left out, or the target alone is used."""
    sim = small(seed=seed)
    opposite = [(X, -y) for X, y in sim.source_rows]
    model = model_for("gaussian", opposite).fit(sim.X, sim.y)
    alone = model_for("gaussian", None).fit(sim.X, sim.y)
    assert (model.source_weights_ == 0).all()
    assert_array_equal(model.coef_, alone.coef_)
    assert model.gain_ == 0


def test_one_table_and_pairs_agree():
    sim = small()
    X, y = (np.concatenate(part) for part in zip((sim.X, sim.y), *sim.source_rows, strict=True))
    ids = np.repeat(np.arange(4), 100)
    table = np.column_stack([ids, X])
    model = model_for("gaussian", sim.source_rows).fit(sim.X, sim.y)
    other = model_for("gaussian", None, task_column=0, target_task=0).fit(table, y)
    assert_allclose(other.coef_, model.coef_, atol=1e-9)
    assert other.source_names_ == [1, 2, 3]
    assert_allclose(other.predict(table[:100]), model.predict(sim.X))
    folds = list(TargetKFold(3, target_task=0, task_column=0).split(table))
    assert other.set_params(cv=folds).fit(table, y).source_weights_.shape == (3,)


@pytest.mark.parametrize("family", ["gaussian", "binomial"])
def test_sparse_rows(family):
    sim = small(family)
    thin = [np.where(np.abs(X) < 0.8, 0.0, X) for X in (sim.X, *(X for X, _ in sim.source_rows))]
    targets = [sim.y, *(y for _, y in sim.source_rows)]
    found = []
    for make in (np.asarray, sparse.csr_array):
        rows = [(make(X), y) for X, y in zip(thin[1:], targets[1:], strict=True)]
        model = model_for(family, rows[:2], alphas=6, detection_folds=2).fit(
            make(thin[0]), targets[0]
        )
        found.append(model.coef_)
    assert_allclose(found[0], found[1], atol=1e-6)


def test_weights_copies_and_zeros():
    sim = small()
    weights = np.random.RandomState(0).randint(0, 3, size=100)
    folds = np.arange(100) % 3
    splits = [(np.flatnonzero(folds != f), np.flatnonzero(folds == f)) for f in range(3)]
    weighted = model_for("gaussian", None, cv=splits).fit(sim.X, sim.y, sample_weight=weights)
    copies = np.repeat(np.arange(100), weights)
    again = [
        (np.flatnonzero(folds[copies] != f), np.flatnonzero(folds[copies] == f)) for f in range(3)
    ]
    copied = model_for("gaussian", None, cv=again).fit(sim.X[copies], sim.y[copies])
    assert_allclose(weighted.coef_, copied.coef_, atol=1e-7)


def test_jobs_and_chance():
    sim = small()
    one, two = (
        model_for("gaussian", sim.source_rows, n_jobs=n_jobs).fit(sim.X, sim.y) for n_jobs in (1, 2)
    )
    assert_array_equal(one.coef_, two.coef_)
    order = [2, 0, 1]
    moved = model_for("gaussian", [sim.source_rows[k] for k in order]).fit(sim.X, sim.y)
    assert_allclose(moved.coef_, one.coef_, atol=1e-8)
    assert_array_equal(moved.source_weights_, one.source_weights_[order])


def test_sources_are_not_changed():
    sim = small()
    before = pickle.dumps(sim.source_rows)
    model = model_for("gaussian", sim.source_rows).fit(sim.X, sim.y)
    assert pickle.dumps(sim.source_rows) == before
    assert clone(model).source_rows is sim.source_rows


def test_labels_that_one_side_lacks():
    sim = small("binomial")
    words = np.array(["no", "yes"])
    one_label = [(sim.source_rows[0][0], np.full(100, "yes"))]
    model = model_for("binomial", one_label, useful="all").fit(sim.X, words[sim.y])
    assert_array_equal(model.classes_, ["no", "yes"])
    alone = model_for("binomial", None).fit(sim.X, words[sim.y])
    assert_allclose(model.coef_pooled_, alone.coef_, atol=0.2)
    rows = [(X, words[y]) for X, y in sim.source_rows]
    certain = model_for("binomial", rows).fit(sim.X, np.full(100, "no"))
    assert (certain.predict(sim.X) == "no").all()
    assert certain.predict_proba(sim.X).shape == (100, 2)
    with pytest.raises(ValueError, match="binary"):
        model_for("binomial", None).fit(sim.X, np.arange(100) % 3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"family": "gamma"}, "family='gamma'"),
        ({"useful": "some"}, "useful='some'"),
        ({"useful": [7]}, r"sources \[7\]"),
        ({"alphas": [0.0]}, r"alphas\[0\]"),
        ({"alphas": []}, "alphas"),
        ({"detection_factor": -1.0}, "detection_factor"),
        ({"cv": [(np.arange(50), np.arange(50)), (np.arange(50), np.arange(9))]}, "at most once"),
    ],
)
def test_wrong_parameters(options, message):
    sim = small()
    with pytest.raises(ValueError, match=message):
        TransGLMRegressor(sim.source_rows, **options).fit(sim.X, sim.y)


def test_counts_below_zero():
    sim = small()
    with pytest.raises(ValueError, match="y >= 0"):
        TransGLMRegressor(family="poisson").fit(sim.X, sim.y)


def test_simplex_minimum():
    """Optimal by the conditions of Karush, Kuhn and Tucker."""
    rng = np.random.RandomState(0)
    for _ in range(20):
        root = rng.normal(size=(7, 5))
        gram, linear = root.T @ root, rng.normal(size=5)
        theta = simplex_minimum(gram, linear)
        slope = gram @ theta + linear
        assert_allclose(theta.sum(), 1.0)
        assert (theta >= 0).all()
        assert_allclose(slope[theta > 0], slope.min(), atol=1e-9)
