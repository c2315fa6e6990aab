"""What a fit tells beside its coefficients: the common model, the parts, the penalty of choice."""

import numpy as np
import pytest
from helpers import make_case
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

from skmtl import (
    ClusteredTasks,
    ConvexFeatureLearning,
    DataSharedLasso,
    MultiTaskClassifier,
    MultiTaskClassifierCV,
    MultiTaskMixed,
    MultiTaskRegressor,
    MultiTaskRegressorCV,
    TraceNormCV,
)
from skmtl.linear_model.loss_folds import LossFolds
from skmtl.penalties import (
    L1,
    L21,
    Common,
    Decomposed,
    Fusion,
    RowMCP,
    RowSCAD,
    SquaredL2,
    TotalVariation,
)
from skmtl.task_data import make_task_data

COMMON = Decomposed(Common(L1(0.02)), L1(0.03))
FREE = Decomposed(Common(L1(0.1)), L1(0.1, factor=[0, 1, 1, 1, 1]))
MODELS = {
    "lasso": DataSharedLasso(alpha=0.05),
    "clusters": ClusteredTasks(n_clusters=2),
    "a free feature": MultiTaskRegressor(FREE),
    "concave": MultiTaskRegressor(Decomposed(Common(L1(0.1)), RowMCP(0.1))),
    "mixed": MultiTaskMixed(FREE, losses=dict.fromkeys(range(3), "squared")),
    "path": MultiTaskRegressorCV(COMMON, alphas=[0.3], cv=2),
}


def shared_answers(model, case, by=0.0):
    """Predictions of a task that fit did not see, with all features moved."""
    X = case.X.copy()
    X[:, 1:] += by
    model = clone(model).set_params(task_column=0, unknown_task="shared", tol=1e-10)
    model.fit(X, case.y, sample_weight=np.linspace(0.5, 2.0, len(X)))
    X[:, 0] = 99
    return model.predict(X[np.isfinite(X).all(axis=1)])


@pytest.mark.parametrize("layout", ["column", "absent"])
@pytest.mark.parametrize("name", MODELS)
def test_an_unknown_task_where_the_origin_of_features_is_moved(name, layout):
    case = make_case(layout, n=25)
    told = shared_answers(MODELS[name], case)
    for by in (100.0, 1e4):
        moved = shared_answers(MODELS[name], case, by)
        assert_allclose(moved, told, atol=1e-3 if by > 1e3 else 1e-4)


@pytest.mark.parametrize("layout", ["column", "outputs", "outputs_nan", "csr_matrix"])
def test_the_common_model_predicts_on_average_what_the_models_do(layout):
    case = make_case(layout, n=25)
    model = DataSharedLasso(alpha=0.05, **case.init).fit(case.X, case.y, **case.fit)
    own = shared = 0.0
    for (X, _, v), w, b in zip(case.tasks, model.coef_, model.intercept_, strict=True):
        own += v @ (X @ w + b)
        shared += v @ (X @ model.coef_shared_ + model.intercept_shared_)
    assert_allclose(shared, own)


def test_no_intercept():
    case = make_case("column")
    model = DataSharedLasso(fit_intercept=False, **case.init).fit(case.X, case.y)
    assert model.intercept_shared_ == 0.0


def test_features_that_are_free_in_the_specific_part():
    case = make_case("column", n=25)
    model = MultiTaskRegressor(FREE, **case.init).fit(case.X, case.y)
    sizes = np.bincount(case.X[:, 0].astype(int))
    assert_allclose(model.coef_shared_[0], sizes @ model.coef_[:, 0] / sizes.sum())
    assert_allclose(model.coef_shared_[1:], model.coef_parts_["shared"][0, 1:])


def test_mixed_losses_of_one_kind_are_the_regressor():
    case = make_case("outputs", n=25)
    y = (case.y - case.y.mean(axis=0)) / case.y.std(axis=0)
    options = {"tol": 1e-10, **case.init}
    ours = MultiTaskMixed(COMMON, **options).fit(case.X, y)
    theirs = MultiTaskRegressor(COMMON, **options).fit(case.X, y)
    assert_allclose(ours.coef_shared_, theirs.coef_shared_, atol=1e-6)
    assert_allclose(ours.intercept_shared_, theirs.intercept_shared_, atol=1e-6)
    units = np.array([1.0, 10.0, 100.0])
    scaled = MultiTaskMixed(COMMON, **options).fit(case.X, y * units)
    for name, part in scaled.coef_parts_.items():
        assert_allclose(part, theirs.coef_parts_[name] * units[:, None], atol=1e-4)
    assert_allclose(scaled.coef_shared_, units.mean() * theirs.coef_shared_, atol=1e-4)
    assert_allclose(sum(scaled.coef_parts_.values()), scaled.coef_)


def test_no_task_with_a_model():
    case = make_case("column")
    model = MultiTaskMixed(COMMON, **case.init).fit(case.X, case.X[:, 0] == 9.0)
    assert not model.coef_shared_.any()


@pytest.mark.parametrize("penalty", [TotalVariation(), Decomposed(L1(), L1() + TotalVariation())])
def test_neighbours_under_several_losses(penalty):
    case = make_case("outputs", n=25)
    case.y[:, 1] = case.y[:, 1] > case.y[:, 1].mean()
    with pytest.raises(ValueError, match=r"TotalVariation.* needs tasks with one loss"):
        MultiTaskMixed(penalty, **case.init).fit(case.X, case.y)
    ordered = MultiTaskMixed(penalty, **case.init).fit(case.X, case.y[:, [0, 2, 1]])
    assert ordered.dual_gap_ <= 1e-6
    fused = MultiTaskMixed(Fusion("chain"), **case.init).fit(case.X, case.y)
    assert fused.dual_gap_ <= 1e-6


def test_components_are_eigenvectors_of_the_covariance():
    """Also with a feature that a task does not have, and a task without weight."""
    case = make_case("absent", n=25)
    weight = (case.X[:, 0] != 0).astype(float)
    for weights in (None, weight):
        model = ConvexFeatureLearning(0.1, n_components=2, **case.init)
        model.fit(case.X, case.y, sample_weight=weights)
        share = model.singular_values_[:2] / model.singular_values_.sum()
        turned = model.components_ @ model.feature_covariance_
        assert_allclose(turned, share[:, None] * model.components_, atol=1e-8)


@pytest.mark.parametrize("cls", [MultiTaskRegressorCV, TraceNormCV])
def test_the_penalty_of_choice_stays_as_it_was(cls):
    case = make_case("column")
    model = cls(alphas=3, cv=3, **case.init).fit(case.X, case.y)
    before = repr(model.penalty_)
    assert model.penalty_.alpha == model.alpha_
    if cls is MultiTaskRegressorCV:
        model.penalty = SquaredL2(7.0)
    assert repr(model.penalty_) == before


@pytest.mark.parametrize("penalty", [RowMCP(), RowSCAD(), Decomposed(RowMCP(), L1())], ids=str)
def test_the_last_fit_of_a_concave_path_has_all_majorants(penalty):
    case = make_case("column", n=25)
    labels = case.y > np.median(case.y)
    for cls, path, y, alphas in [
        (MultiTaskRegressor, MultiTaskRegressorCV, case.y, [0.5, 0.3]),
        (MultiTaskClassifier, MultiTaskClassifierCV, labels, [0.05, 0.03]),
    ]:
        model = path(penalty, alphas=alphas, cv=2, **case.init).fit(case.X, y)
        alone = cls(model.penalty_, **case.init).fit(case.X, y)
        assert_array_equal(model.coef_, alone.coef_)
        assert_array_equal(model.objective_path_, alone.objective_path_)
        assert (model.dual_gap_, model.n_iter_) == (alone.dual_gap_, alone.n_iter_)


def test_multiples_of_concave_penalties():
    W = np.random.RandomState(0).normal(size=(6, 3))
    assert repr(0.3 * RowMCP(2.0, gamma=4.0)) == repr(RowMCP(0.6, gamma=4.0))
    assert repr(0.3 * RowSCAD(2.0, a=4.0)) == repr(RowSCAD(0.6, a=4.0))
    exact = RowMCP(0.6, gamma=4.0 / 0.3)  # what the docstring says
    assert_allclose(exact.value(W), 0.3 * RowMCP(2.0, gamma=4.0).value(W))


def test_shares_of_the_common_part():
    """A value of k of T tasks is common if 2 k - T > 1 / ratio."""
    n_tasks, rng = 5, np.random.RandomState(0)
    X = rng.normal(size=(40, 1))
    X -= X.mean()
    for ratio in (0.9 / n_tasks, 0.3, 0.6, 1.5):
        for k in range(1, n_tasks + 1):
            y = np.where(np.arange(n_tasks) < k, 3.0 * X, 0.0)
            model = DataSharedLasso(alpha=0.01, ratio=ratio, tol=1e-10).fit(X, y)
            common = abs(model.coef_shared_[0]) > 0.5
            assert common == (2 * k - n_tasks > 1 / ratio), (ratio, k)
            assert model.ratio_ == ratio


@pytest.mark.parametrize("model", [DataSharedLasso(), MultiTaskRegressor(COMMON)])
def test_parts_have_the_dtype_of_the_coefficients(model):
    case = make_case("column")
    model = clone(model).set_params(**case.init)
    model.fit(case.X.astype(np.float32), case.y.astype(np.float32))
    assert model.coef_.dtype == np.float32
    assert {part.dtype for part in model.coef_parts_.values()} == {model.coef_.dtype}
    assert getattr(model, "coef_specific_", model.coef_).dtype == np.float32


def test_held_out_rows_of_tasks_without_a_model():
    rng = np.random.RandomState(0)
    ids = np.repeat([0, 1], 10)
    data = make_task_data(rng.normal(size=(20, 2)), rng.normal(size=20), ids=ids)
    folds = LossFolds(data, "huber", 1.35, fit_intercept=True)
    with pytest.raises(ValueError, match="holds out only tasks of which it has no training rows"):
        folds.split(np.arange(10), np.arange(10, 20), L21())
