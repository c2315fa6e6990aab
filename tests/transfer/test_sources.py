"""What is read of fitted sources, and of folds of the target."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.cross_decomposition import PLSRegression
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeRegressor

from skmtl import (
    SourceWeightedRegressorCV,
    TransferLassoCV,
    TransferLogisticRegression,
    TransferLogisticRegressionCV,
    TransferRegressorCV,
    TransferRidge,
    TransferRidgeCV,
)
from skmtl.model_selection import TargetKFold
from skmtl.transfer.sources import SourceModel

CV = [TransferRidgeCV, TransferLassoCV, TransferRegressorCV, SourceWeightedRegressorCV]


def make(seed=0, n_rows=60, n_features=4):
    rng = np.random.RandomState(seed)
    X = rng.normal(size=(n_rows, n_features))
    return X, X @ np.arange(1.0, n_features + 1) + 0.1 * rng.normal(size=n_rows)


def judged(model):
    """What folds of the target said."""
    names = "mse_path_", "cv_scores_", "losses_"
    found = next(getattr(model, name) for name in names if hasattr(model, name))
    return list(found.values()) if isinstance(found, dict) else found


def test_a_tree_is_not_linear_for_rows_in_one_leaf():
    X = np.random.RandomState(0).uniform(0, 100, size=(200, 3))
    tree = DecisionTreeRegressor().fit(X, np.where(X[:, 0] > 50, 10.0, 0.0))
    few = X[X[:, 0] < 45]
    model = TransferRidge(tree, source_weights=1.0, alpha=1e9).fit(few, np.zeros(len(few)))
    assert model.adds_sources_
    assert_allclose(model.predict([[90.0, 50.0, 50.0]]), 10.0, atol=1e-5)
    text = np.zeros((5, 3))  # nothing varies in these rows
    assert SourceModel(tree, None, 3, "the tree").linear(text) is None


@pytest.mark.parametrize(
    "source", [PLSRegression(2), make_pipeline(StandardScaler(), LinearRegression())], ids=str
)
@pytest.mark.parametrize("level", [0.0, 1e6])
def test_linear_however_the_source_stores_it(source, level):
    X, y = make()
    source.fit(X, y + level)
    coef, intercept = SourceModel(source, None, 4, "the source").linear(X[:3])
    assert_allclose(X @ coef + intercept, np.ravel(source.predict(X)), rtol=1e-9)


def test_a_source_that_only_knows_positive_values():
    X = np.exp(make()[0])
    y = np.log(X).sum(axis=1)
    source = make_pipeline(FunctionTransformer(np.log), LinearRegression()).fit(X, y)
    model = TransferRidge(source, alpha=1e9).fit(X[:20], y[:20] + 1.0)
    assert model.adds_sources_
    assert_allclose(model.predict(X), y + 1.0, atol=1e-6)


def test_wide_linear_sources_are_probed_in_parts(monkeypatch):
    monkeypatch.setattr("skmtl.transfer.sources.MOST_CELLS", 10)
    X, y = make(n_features=7)
    source = make_pipeline(StandardScaler(), LinearRegression()).fit(X, y)
    coef, _ = SourceModel(source, None, 7, "the source").linear(X)
    assert_allclose(coef, LinearRegression().fit(X, y).coef_)


@pytest.mark.parametrize("n_classes", [3, 4])
def test_scores_of_pairs_of_classes_are_no_scores_of_classes(n_classes):
    X, y = make(n_rows=200)
    labels = np.digitize(y, np.quantile(y, np.arange(1, n_classes) / n_classes))
    for kernel in ("linear", "rbf"):
        source = make_pipeline(SVC(kernel=kernel, decision_function_shape="ovo")).fit(X, labels)
        asked = SourceModel(source, None, 4, "the source")
        chosen = asked.probabilities(X, source.classes_).argmax(axis=1)
        assert_array_equal(source.classes_[chosen], source.predict(X))
        assert_array_equal(asked.log_odds(X, source.classes_).argmax(axis=1), chosen)
        assert asked.linear(X) is None
        model = TransferLogisticRegression(source, C=1e-6).fit(X, labels)
        assert model.score(X, labels) > 0.9


def test_a_source_with_several_outputs():
    X, y = make()
    source = Ridge().fit(X, np.column_stack([y, y]))
    with pytest.raises(ValueError, match="predicts 2 outputs"):
        TransferRidge(source).fit(X, y)


def test_parameters_of_a_source_stay():
    X, y = make()
    source = Ridge(alpha=2.0).fit(X, y)
    model = TransferRidge(source)
    before = pickle.dumps(source)
    with pytest.raises(ValueError, match="source__alpha is a parameter of the fitted source"):
        model.set_params(source__alpha=3.0)
    assert pickle.dumps(source) == before
    assert model.set_params(alpha=5.0).alpha == 5.0


@pytest.mark.parametrize("cls", [TransferLogisticRegression, TransferLogisticRegressionCV])
def test_no_label_in_common(cls):
    X, y = make()
    labels = np.digitize(y, [-2.0, 2.0])
    source = LogisticRegression().fit(X, labels + 10)
    model = cls(source).fit(X, labels)
    plain = cls().fit(X, labels)
    assert_allclose(model.predict_proba(X)[:, :3], plain.predict_proba(X), atol=0.1)
    assert_array_equal(model.classes_, [0, 1, 2, 10, 11, 12])


@pytest.mark.parametrize("cls", [TransferLogisticRegression, TransferLogisticRegressionCV])
def test_one_row_of_a_target_of_labels(cls):
    X, y = make()
    source = LogisticRegression().fit(X, y > 0)
    model = cls(source).fit(X[:1], y[:1] > 0)
    assert_allclose(model.predict_proba(X), source.predict_proba(X))
    with pytest.raises(ValueError, match="one class"):
        cls().fit(X[:1], y[:1] > 0)


def test_one_row_of_a_target_of_numbers():
    X, y = make()
    source = LinearRegression().fit(X, y)
    model = TransferRidge([source, source]).fit(X[:1], y[:1] + 5.0)
    assert_array_equal(model.source_weights_, [0.5, 0.5])
    assert_allclose(model.predict(X) - source.predict(X), (y - source.predict(X))[0] + 5.0)


@pytest.mark.parametrize("cls", CV)
def test_one_convention_of_folds(cls):
    X, y = make()
    ids = np.random.RandomState(1).permutation(np.repeat([7, 8], 30))
    table, rows = np.column_stack([ids, X]), np.flatnonzero(ids == 8)
    weights = np.ones(60)
    weights[rows[[0, 7]]] = 0.0
    rows = rows[weights[rows] > 0]
    model = cls(task_column=0, target_task=8)
    pairs = [(rows[train], rows[test]) for train, test in KFold(4).split(rows)]
    ways = [4] if cls in CV[:2] else []
    ways += [KFold(4), pairs, TargetKFold(4, target_task=8, task_column=0)]
    expected = judged(model.set_params(cv=pairs).fit(table, y, sample_weight=weights))
    for cv in ways[:-1]:
        model.set_params(cv=cv).fit(table, y, sample_weight=weights)
        assert_allclose(judged(model), expected, err_msg=str(cv))
    kept = weights > 0
    model.set_params(cv=ways[-1]).fit(table[kept], y[kept])
    assert_allclose(judged(model), expected)


class Bare:
    """A fitted model that is no scikit-learn estimator."""

    def __init__(self, column, classes=None):
        self.column = column
        if classes is not None:
            self.classes_ = classes

    def predict(self, X):
        told = self.column * X[:, 0]
        return self.classes_[(told > 0).astype(int)] if hasattr(self, "classes_") else told

    def decision_function(self, X):
        return self.column * X[:, 0]


def test_a_source_need_not_be_of_scikit_learn():
    X, _ = make()
    model = TransferRidge(Bare(2.0), alpha=1e12).fit(X, 2.0 * X[:, 0])
    assert_allclose(model.coef_, [2.0, 0.0, 0.0, 0.0], atol=1e-9)
    chooser = TransferLogisticRegression(Bare(2.0, np.array([False, True])), C=1e-9)
    chooser.fit(X, X[:, 0] + X[:, 1] > 0)
    assert not chooser.adds_sources_
    assert_allclose(chooser.coef_[0, 1:], 0.0, atol=1e-6)


def test_a_source_must_predict_finite_numbers():
    X, y = make()
    for cls, classes in ((TransferRidge, None), (TransferLogisticRegression, np.array([0, 1]))):
        target = y if classes is None else (y > 0).astype(int)
        with pytest.raises(ValueError, match=r"source 0 \(Bare\) predicts a number that is not"):
            cls(Bare(np.nan, classes)).fit(X, target)


def test_names_of_one_side_only_are_told():
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(20, 3)), rng.normal(size=20)
    source = Ridge().fit(pandas.DataFrame(X, columns=list("abc")), y)
    with pytest.warns(UserWarning, match="fitted with feature names, but the target has none"):
        TransferRidge(source).fit(X, y)
