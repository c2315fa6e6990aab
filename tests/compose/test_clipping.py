"""Features brought back into their range: tables of every type, and what must stay."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sharing_problems import CLASSES, answer, quick
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import Ridge

from skmtl import MultiTaskRidgeCV, SharingClassifier, SharingRegressor
from skmtl.compose.clipping import clip_columns, ranges_of

TRAIN = np.array([[0.0, -2.0, 5.0], [4.0, 2.0, 5.0], [1.0, 0.0, 5.0]])
FAR = np.array([[100.0, -100.0, 6.0], [-100.0, 1.0, 5.0], [5.5, -3.5, -6.0]])
INSIDE = np.array([[6.0, -4.0, 5.0], [-2.0, 1.0, 5.0], [5.5, -3.5, 5.0]])  # half of 4 beyond


@pytest.mark.parametrize("dtype", [np.float32, np.float64, int, np.int8, object])
def test_arrays(dtype):
    far = (FAR if dtype not in (int, np.int8) else np.trunc(FAR)).astype(dtype)
    before = far.copy()
    out = clip_columns(far, *ranges_of(TRAIN.astype(dtype), None))
    expected = INSIDE if dtype not in (int, np.int8) else np.trunc(INSIDE)
    assert_array_equal(out.astype(float), expected)
    assert out.dtype == far.dtype
    assert_array_equal(far, before)


def test_the_margin_is_half_of_the_range():
    assert_array_equal(ranges_of(TRAIN, None), [[-2, -4, 5], [6, 4, 5]])


def test_what_is_in_range_is_not_copied():
    ranges = ranges_of(TRAIN, None)
    assert clip_columns(INSIDE, *ranges) is INSIDE
    thin = sparse.csr_array(INSIDE)
    assert clip_columns(thin, *ranges) is thin
    frame = pytest.importorskip("pandas").DataFrame(INSIDE)
    assert clip_columns(frame, *ranges) is frame


@pytest.mark.parametrize("position", [0, 1, 3])
@pytest.mark.parametrize("kind", ["float", "int", "object", "pandas", "polars", "csr", "csc"])
def test_ids_stay_whatever_their_column(kind, position):
    def table(values, ids):
        X = np.insert(values, position, ids, axis=1)
        if kind in ("pandas", "polars"):
            library = pytest.importorskip(kind)
            return library.DataFrame({f"c{j}": X[:, j] for j in range(4)})
        if kind == "object":
            X = X.astype(object)
            X[:, position] = [f"task {i}" for i in ids]
            return X
        if kind == "int":
            return X.astype(int)
        return {"csr": sparse.csr_array, "csc": sparse.csc_matrix}.get(kind, np.asarray)(X)

    ids = np.array([7, 1000, -50])
    out = clip_columns(table(FAR, ids), *ranges_of(table(TRAIN, [1, 2, 3]), position))
    expected = table(INSIDE, ids)
    if sparse.issparse(out):
        out, expected = out.toarray(), expected.toarray()
    assert_array_equal(np.asarray(out), np.asarray(expected))


def test_large_integer_ids_survive_beside_a_feature_out_of_range():
    ids = 2**60 + np.array([1, 2, 3])
    X, far = (np.column_stack([ids, [0, 4, v]]) for v in (1, 900))
    assert_array_equal(clip_columns(far, *ranges_of(X, 0)), np.column_stack([ids, [0, 4, 6]]))


def test_missing_and_infinite_values_stay():
    holes = np.array([[np.nan, np.inf, -np.inf], [1e9, 0.0, 5.0]])
    out = clip_columns(holes, *ranges_of(TRAIN, None))
    assert_array_equal(out, [[np.nan, np.inf, -np.inf], [6.0, 0.0, 5.0]])
    out = clip_columns(holes.astype(object), *ranges_of(TRAIN, None))
    assert_array_equal(out.astype(float), [[np.nan, np.inf, -np.inf], [6.0, 0.0, 5.0]])
    out = clip_columns(sparse.csr_array(holes), *ranges_of(TRAIN, None)).toarray()
    assert_array_equal(out, [[np.nan, np.inf, -np.inf], [6.0, 0.0, 5.0]])


def test_training_values_that_are_not_finite_do_not_count():
    X = TRAIN.copy()
    X[0, 0], X[1, 1], X[:, 2] = np.nan, np.inf, np.nan
    assert_array_equal(ranges_of(X, None), [[-0.5, -3, -np.inf], [5.5, 1, np.inf]])


def test_a_range_beyond_floats():
    low, high = ranges_of(np.array([[-1.7e308], [1.7e308]]), None)
    assert_array_equal([low[0], high[0]], [-np.inf, np.inf])


@pytest.mark.parametrize("convert", [sparse.csr_matrix, sparse.csc_array])
def test_sparse(convert):
    train, far = convert(TRAIN), convert(FAR)
    copies = train.copy(), far.copy()
    out = clip_columns(far, *ranges_of(train, None))
    assert sparse.issparse(out)
    assert_array_equal(out.toarray(), INSIDE)
    for now, before in zip((train, far), copies, strict=True):
        assert_array_equal(now.toarray(), before.toarray())
        assert_array_equal(now.data, before.data)


def test_pandas_columns_that_are_no_numbers_stay():
    pandas = pytest.importorskip("pandas")

    def frame(x, n):
        return pandas.DataFrame(
            {
                "text": ["12", "7", "99"] if n else ["1", "2", "3"],
                "x": np.array(x, dtype=np.float32),
                "hour": pandas.Categorical([n, 1, 2]),
                "day": pandas.to_datetime(["2024-01-01", "2024-01-02", f"202{4 + n // 9}-01-03"]),
                "flag": [True, False, n > 0],
                "count": pandas.array([1, None, 2 + n], dtype="Int64"),
            },
            index=[5, 3, 9],
        )

    far = frame([100.0, np.nan, -100.0], 9)
    before = far.copy(deep=True)
    out = clip_columns(far, *ranges_of(frame([0, 4, 2], 0), None))
    assert_allclose(out["x"], [6, np.nan, -2])
    assert_allclose(out["count"].astype(float), [1, np.nan, 2.5])
    same = ["text", "hour", "day", "flag"]
    pandas.testing.assert_frame_equal(out[same], before[same])
    pandas.testing.assert_frame_equal(far, before)


def test_pandas_names_may_be_repeated():
    pandas = pytest.importorskip("pandas")
    names = ["a", "a", "b"]
    far = pandas.DataFrame(FAR, columns=names)
    out = clip_columns(far, *ranges_of(pandas.DataFrame(TRAIN, columns=names), None))
    assert_array_equal(out.to_numpy(), INSIDE)
    assert list(out.columns) == names
    assert_array_equal(far.to_numpy(), FAR)


def test_polars_columns_that_are_no_numbers_stay():
    polars = pytest.importorskip("polars")

    def frame(x, text):
        columns = {"text": text, "x": x, "n": [1, None, 3], "flag": [True, False, True]}
        return polars.DataFrame(columns).with_columns(
            kind=polars.Series(text).cast(polars.Enum(ALL))
        )

    ALL = ["1", "2", "3", "50"]
    far = frame([100.0, None, 1.0], ["50", "1", "1"])
    before = far.clone()
    out = clip_columns(far, *ranges_of(frame([0.0, 4.0, 1.0], ["1", "2", "3"]), None))
    assert_allclose(out["x"].to_numpy(), [6, np.nan, 1])
    same = ["text", "n", "flag", "kind"]
    assert out[same].equals(before[same])
    assert far.equals(before)


def test_digits_in_an_object_array_are_text():
    X = np.array([["10", 1.0], ["20", 2.0]], dtype=object)
    far = np.array([["900", 9.0]], dtype=object)
    assert clip_columns(far, *ranges_of(X, None)).tolist() == [["900", 2.5]]


# --- in the estimators ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def problem():
    rng = np.random.default_rng(0)
    codes = np.repeat([0, 1, 2], 12)
    features = rng.normal(size=(36, 2))
    return np.column_stack([codes, features]), features @ [1.0, -1.0] + codes + rng.normal(size=36)


@pytest.mark.parametrize("cls", CLASSES)
@pytest.mark.parametrize("clip", [True, False])
def test_mixtures_see_clipped_features_unless_told_not_to(cls, clip, problem):
    X, y = problem
    y = (y > 1).astype(int) if cls is SharingClassifier else y
    model = cls(quick(cls), task_column=0, clip=clip, cv=2).fit(X, y)
    far = X[:2].copy()
    far[0, 1] = X[:, 1].max() + np.ptp(X[:, 1])
    edge, given = far.copy(), far.copy()
    edge[0, 1] = X[:, 1].max() + np.ptp(X[:, 1]) / 2
    beyond = answer(model, far) - answer(model, edge)
    assert_array_equal(far, given)
    if clip:  # what the model of the task says beyond the edge; of probabilities nothing
        expected = 0.0
        if cls is SharingRegressor:
            alone = model.strategies_["per-task"]
            expected = alone.predict(far) - alone.predict(edge)
        assert_allclose(beyond, expected, atol=1e-12)
    else:
        assert abs(beyond[0]).max() > 1e-3
        shares = model._mixing[:, [0, 0]]
        answers = [answer(strategy, far) for strategy in model.strategies_.values()]
        mixed = [
            part * (share if part.ndim == 1 else share[:, None])
            for share, part in zip(shares, answers, strict=True)
        ]
        assert_allclose(answer(model, far), np.sum(mixed, axis=0))
    for value, message in ((np.nan, "contains NaN in row 0"), (np.inf, "contains infinity")):
        broken = X[:2].copy()
        broken[0, 1] = value
        with pytest.raises(ValueError, match=message):
            cls(task_column=0).fit(np.vstack([broken, X[2:]]), y)


@pytest.mark.parametrize("kind", ["heavy tails", "trend", "outputs"])
def test_the_model_of_a_task_alone_goes_on_beyond_the_range(kind):
    """With the whole weight on it: whatever the features, nothing is clipped."""
    rng = np.random.default_rng(0)
    codes = np.repeat(np.arange(3), 15)
    X, far = rng.standard_t(1.5, size=(2, 45, 2))
    far *= 100
    if kind == "trend":
        X = np.column_stack([np.tile(np.arange(15.0), 3), X[:, 1]])
        far = X + np.array([1000.0, 0.0])
    y = X @ [1.0, -1.0] + codes * X[:, 0] + rng.normal(size=45)
    given = {"tasks": codes}
    if kind == "outputs":
        y, given = np.column_stack([y, 100 - 9 * y]), {}
    model = SharingRegressor(cv=2).fit(X, y, **given)
    assert "per-task" in model.strategies_
    model._mixing[:] = 0
    model._mixing[0] = 1
    low, high = model._ranges
    assert ((far < low) | (far > high)).any(axis=1).sum() > 20
    standard = (y - model._centre) / model._scale
    alone = MultiTaskRidgeCV().fit(X, standard, **given)
    expected = alone.predict(far, **given) * model._scale + model._centre
    assert_allclose(model.predict(far, **given), expected, rtol=1e-9, atol=1e-9)


class Wild(DummyRegressor):
    """Far off."""

    def predict(self, X):
        return np.full(len(X), 1e9)


def test_answers_of_strategies_are_kept_near_the_targets_unless_told_not_to(problem):
    X, y = problem
    for clip in (True, False):
        model = SharingRegressor(Ridge(), strategies=[Wild()], clip=clip, task_column=0, cv=2)
        model.fit(X, y)
        model.strategies_ = {"per-task": model.strategies_["per-task"], "wild": Wild().fit(X, y)}
        model._mixing = np.array([[0.5], [0.5]]).repeat(4, axis=1)
        wild = y.max() + 2 * np.ptp(y) if clip else 1e9
        expected = (model.strategies_["per-task"].predict(X) + wild) / 2
        assert_allclose(model.predict(X), expected)
