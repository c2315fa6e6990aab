"""Each structure beats all others on data that are made for it."""

import numpy as np
import pytest

from skmtl import MultiTaskRegressorCV
from skmtl.model_selection import TaskKFold
from skmtl.penalties import (
    L1,
    L21,
    Common,
    Decomposed,
    Fusion,
    Nuclear,
    SquaredL2,
    TaskL21,
    TotalVariation,
)

N_TASKS, N_FEATURES, N_ROWS, NOISE = 12, 20, 25, 1.5
BLOCKS = np.kron(np.eye(3), np.ones((4, 4)))  # who may be in one cluster with whom
STRUCTURES = {
    "alone": SquaredL2(),
    "sparse": L1(),
    "shared rows": L21(),
    "some of the tasks": Decomposed(L21(), L1(0.5)),
    "low rank": Nuclear(),
    "clusters": Fusion(BLOCKS),
    "chain": TotalVariation(),
    "pooled": Decomposed(Common(SquaredL2(0.05)), SquaredL2()),
    "outliers": Decomposed(Common(L1(0.3)), TaskL21()),
    "common and sparse": Decomposed(Common(SquaredL2(0.05)), L1()),
}


def shared_rows(rng):
    """Few features, the same for all tasks, with coefficients of their own."""
    W = np.zeros((N_TASKS, N_FEATURES))
    W[:, :4] = rng.normal(size=(N_TASKS, 4))
    return W


def some_of_the_tasks(rng):
    """Small coefficients of the same features everywhere, and large ones in single tasks."""
    W = np.zeros((N_TASKS, N_FEATURES))
    W[:, :6] = 0.7 * rng.choice([-1, 1], size=(N_TASKS, 6))
    own = (rng.uniform(size=W.shape) < 0.04) & (np.arange(N_FEATURES) >= 6)
    return W + own * 4.0 * rng.choice([-1, 1], size=W.shape)


def low_rank(rng):
    return rng.normal(size=(N_TASKS, 2)) @ rng.normal(size=(2, N_FEATURES)) * 0.7


def clusters(rng):
    return np.repeat(rng.normal(size=(3, N_FEATURES)), 4, axis=0)


def chain(rng):
    """Coefficients that jump now and then."""
    jumps = rng.normal(size=(N_TASKS, N_FEATURES))
    jumps *= rng.uniform(size=jumps.shape) < 0.08
    jumps[0] = rng.normal(size=N_FEATURES)
    return np.cumsum(jumps, axis=0)


def outliers(rng):
    W = np.tile(rng.normal(size=N_FEATURES), (N_TASKS, 1))
    W[[3, 8]] = 1.5 * rng.normal(size=(2, N_FEATURES))
    return W


def common_and_sparse(rng):
    W = np.tile(rng.normal(size=N_FEATURES), (N_TASKS, 1))
    return W + (rng.uniform(size=W.shape) < 0.06) * 3.0 * rng.choice([-1, 1], size=W.shape)


PLANTED = {
    "shared rows": shared_rows,
    "some of the tasks": some_of_the_tasks,
    "low rank": low_rank,
    "clusters": clusters,
    "chain": chain,
    "outliers": outliers,
    "common and sparse": common_and_sparse,
}


def errors(plant, seed):
    """Relative error of the coefficients under every structure, tuned by cross-validation."""
    rng = np.random.RandomState(seed)
    W = plant(rng)
    ids = np.repeat(np.arange(N_TASKS), N_ROWS)
    X = rng.normal(size=(len(ids), N_FEATURES))
    y = np.sum(X * W[ids], axis=1) + NOISE * rng.normal(size=len(ids))
    found = {}
    for name, penalty in STRUCTURES.items():
        cv = TaskKFold(3)
        model = MultiTaskRegressorCV(penalty, alphas=10, eps=1e-2, cv=cv, tol=1e-3)
        if name in ("alone", "pooled"):
            model.set_params(alphas=np.logspace(1, -3, 10), eps=None)
        model.fit(X, y, tasks=ids)
        found[name] = np.linalg.norm(model.coef_ - W) / np.linalg.norm(W)
    return found


@pytest.mark.parametrize("name", PLANTED)
def test_each_structure_wins_on_its_data(name):
    found = errors(PLANTED[name], seed=0)
    rivals = {other: error for other, error in found.items() if other != name}
    if name == "shared rows":  # of which the sum of two parts is a generalisation
        assert found[name] < 1.02 * rivals.pop("some of the tasks")
    assert found[name] < 0.9 * min(rivals.values()), found
