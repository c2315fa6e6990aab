"""Trans-Lasso: the order of sources, the average, and its limits."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from skmtl import TransGLMRegressor, TransLasso
from skmtl.datasets.transfer_simulations import make_trans_lasso

QUICK = {"alphas": 12, "cv": 3}
SMALL = {"n_target": 80, "n_features": 60, "n_sources": 4, "n_useful": 2, "h": 2}


def small(seed=0, **options):
    return make_trans_lasso(**{**SMALL, "n_informative": 10, **options}, random_state=seed)


def test_published_simulation():
    sim = make_trans_lasso(n_features=200, n_sources=6, n_useful=3, random_state=0)
    model = TransLasso(sim.source_rows, alphas=15, cv=3).fit(sim.X, sim.y)
    assert set(np.argsort(model.dissimilarity_)[:3]) == set(sim.useful)
    assert model.useful_sources_ == sim.useful
    alone = TransLasso(alphas=15, cv=3).fit(sim.X, sim.y)
    pooled = TransLasso(sim.source_rows, useful="all", alphas=15, cv=3).fit(sim.X, sim.y)
    error, of_target, of_pool = (
        np.linalg.norm(w - sim.coef) for w in (model.coef_, alone.coef_, pooled.coef_pooled_)
    )
    assert error < min(of_target, of_pool)


@pytest.mark.parametrize("aggregation", ["q", "convex"])
@pytest.mark.parametrize("seed", range(3))
def test_never_worse_on_held_out_rows(seed, aggregation):
    sim = small(seed)
    bad = [(X, -y) for X, y in sim.source_rows]
    for rows in (sim.source_rows, bad):
        model = TransLasso(rows, aggregation=aggregation, **QUICK).fit(sim.X, sim.y)
        assert model.gain_ >= -1e-9
        assert_allclose(model.candidate_weights_.sum(), 1.0)
        assert (model.source_weights_ <= 1 + 1e-12).all()
        assert_allclose(model.coef_, model.coef_pooled_ + model.coef_offset_)


def test_candidates_are_nested_by_similarity():
    sim = small()
    named = dict(zip("abcd", sim.source_rows, strict=True))
    model = TransLasso(named, **QUICK).fit(sim.X, sim.y)
    order = np.array(list("abcd"))[np.argsort(model.dissimilarity_)].tolist()
    assert model.candidate_sets_ == [order[:size] for size in range(5)]
    inside = [[name in members for name in "abcd"] for members in model.candidate_sets_]
    assert_allclose(model.source_weights_, model.candidate_weights_ @ np.array(inside))
    assert {"a", "b"} == set(order[:2])


def test_dissimilarity_does_not_depend_on_units():
    sim = small()
    scale = np.geomspace(0.1, 10, 60)
    scaled = [(X * scale + 5.0, y - 7.0) for X, y in sim.source_rows]
    one = TransLasso(sim.source_rows, **QUICK).fit(sim.X, sim.y)
    other = TransLasso(scaled, **QUICK).fit(sim.X * scale + 5.0, sim.y + 2.0)
    assert_allclose(one.dissimilarity_, other.dissimilarity_)


def test_oracle_is_the_two_steps():
    sim = small()
    ours = TransLasso(sim.source_rows, useful=[0, 1], **QUICK).fit(sim.X, sim.y)
    theirs = TransGLMRegressor(sim.source_rows, useful=[0, 1], **QUICK).fit(sim.X, sim.y)
    assert_allclose(ours.coef_, theirs.coef_)
    assert_allclose(ours.gain_, theirs.gain_)
    assert_array_equal(ours.source_weights_, [1, 1, 0, 0])


def test_without_sources_and_with_sparse_ones():
    sim = small()
    alone = TransLasso(**QUICK).fit(sim.X, sim.y)
    assert alone.source_weights_.shape == (0,)
    assert_array_equal(alone.coef_, TransGLMRegressor(**QUICK).fit(sim.X, sim.y).coef_)
    rows = [(sparse.csr_array(X), y) for X, y in sim.source_rows]
    thin = TransLasso(rows, **QUICK).fit(sparse.csr_array(sim.X), sim.y)
    dense = TransLasso(sim.source_rows, **QUICK).fit(sim.X, sim.y)
    assert_allclose(thin.coef_, dense.coef_, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"aggregation": "mean"}, "aggregation='mean'"),
        ({"n_screened": 0}, "n_screened=0"),
        ({"useful": "detect"}, "useful='detect'"),
    ],
)
def test_wrong_parameters(options, message):
    sim = small()
    with pytest.raises(ValueError, match=message):
        TransLasso(sim.source_rows, **options).fit(sim.X, sim.y)


def test_simulation_is_as_published():
    sim = make_trans_lasso(random_state=0)
    assert sim.X.shape == (150, 500)
    changed = np.abs(sim.source_coef - sim.coef)
    assert_allclose(changed[:5].sum(axis=1), 6 * 0.3)
    assert_allclose(changed[5:].sum(axis=1), 50 * 0.5)
