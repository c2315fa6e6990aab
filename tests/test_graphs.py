"""Graphs of tasks in every form, and what is refused."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from skmtl.graphs import adjacency, as_laplacian, laplacian

NAMES = np.array(["a", "b", "c"])
CHAIN = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 1.0], [0.0, 1.0, 0.0]])


@pytest.mark.parametrize(
    "graph",
    [
        "chain",
        CHAIN,
        CHAIN.tolist(),
        sparse.csr_matrix(CHAIN),
        sparse.coo_array(CHAIN),
        {("a", "b"): 1.0, ("c", "b"): 1},
        {("a", "b"): 1.0, ("b", "a"): 1.0, ("b", "c"): 1.0},
        CHAIN + np.diag([3.0, 0.0, 1.0]),
    ],
    ids=str,
)
def test_forms_of_a_graph(graph):
    assert_array_equal(adjacency(graph, NAMES), CHAIN)


def test_named_graphs():
    assert_array_equal(adjacency("complete", NAMES), np.ones((3, 3)) - np.eye(3))
    assert_array_equal(adjacency("chain", NAMES[:1]), [[0.0]])
    assert_array_equal(adjacency({}, NAMES), np.zeros((3, 3)))
    assert_array_equal(adjacency({(7, 2): 4.0}, np.array([2, 7])), [[0.0, 4.0], [4.0, 0.0]])


def test_the_laplacian_is_the_sum_over_edges():
    rng = np.random.RandomState(0)
    A = rng.uniform(size=(5, 5))
    A = np.triu(A, 1) + np.triu(A, 1).T
    W = rng.normal(size=(3, 5))
    edges = sum(
        A[s, t] * np.sum((W[:, s] - W[:, t]) ** 2) for s in range(5) for t in range(s + 1, 5)
    )
    assert_allclose(np.trace(W @ laplacian(A) @ W.T), edges)
    assert_allclose(as_laplacian(A, np.arange(5)), laplacian(A))


def test_rounding_is_no_asymmetry():
    A = CHAIN.copy()
    A[0, 1] += 1e-14
    result = adjacency(A, NAMES)
    assert_array_equal(result, result.T)


@pytest.mark.parametrize(
    ("graph", "error", "message"),
    [
        (np.ones((2, 2)), ValueError, r"shape \(2, 2\), but there are 3 tasks"),
        (np.ones(3), ValueError, r"shape \(3,\)"),
        (-CHAIN, ValueError, "not negative, but between the tasks 'a', 'b' it is -1"),
        (CHAIN * np.nan, ValueError, "finite"),
        (np.triu(CHAIN), ValueError, "symmetric, but between the tasks 'a', 'b' it is 1 and 0"),
        ("ring", ValueError, "'ring' is unknown"),
        ({("a", "z"): 1.0}, ValueError, "the task 'z', which the data do not have"),
        ({("a", "a"): 1.0}, ValueError, "from task 'a' to itself"),
        ({("a", "b"): 1.0, ("b", "a"): 2.0}, ValueError, "the weight 1.0, but in the other"),
        ({("a", "b"): -1.0}, ValueError, "not negative"),
        ({"ab": 1.0}, TypeError, "pairs"),
        (None, TypeError, "must be a matrix"),
        (1.0, TypeError, "must be a matrix"),
        ([["x"]], TypeError, "must be a matrix"),
    ],
    ids=str,
)
def test_wrong_graphs(graph, error, message):
    with pytest.raises(error, match=message):
        adjacency(graph, NAMES)


def test_frames_are_read_by_their_names():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(CHAIN, index=NAMES, columns=NAMES)
    assert_array_equal(adjacency(frame.iloc[[1, 2, 0], [2, 0, 1]], NAMES), CHAIN)
    assert_array_equal(adjacency(pandas.DataFrame(CHAIN), NAMES), CHAIN)
    numbers = np.array([0, 1, 2])
    swapped = pandas.DataFrame(CHAIN, index=[1, 0, 2], columns=["1", "0", "2"])  # as from a file
    assert_array_equal(adjacency(swapped, numbers), CHAIN[np.ix_([1, 0, 2], [1, 0, 2])])
    # Ids that are not known yet: the rows are in their order, and the columns found by name.
    assert_array_equal(adjacency(frame[["c", "a", "b"]], numbers), CHAIN)
    others = pandas.DataFrame(CHAIN, index=[1, 2, 3], columns=[1, 2, 3])
    with pytest.raises(ValueError, match=r"row of the task 0, but one of 3, which is no task"):
        adjacency(others, numbers, named=True)
    with pytest.raises(ValueError, match="without a column of the task 'c'"):
        adjacency(frame.rename(columns={"c": "d"}), NAMES)
    with pytest.raises(ValueError, match="shape"):
        adjacency(frame.iloc[:2, :2], NAMES)


def test_frames_without_an_index():
    polars = pytest.importorskip("polars")
    turned = CHAIN[np.ix_([1, 0, 2], [1, 0, 2])]
    frame = polars.DataFrame(turned, schema=["b", "a", "c"])
    assert_array_equal(adjacency(frame, NAMES), CHAIN)
    assert_array_equal(adjacency(polars.DataFrame(CHAIN), NAMES), CHAIN)
    with pytest.raises(ValueError, match="without a row of the task 'a'"):
        adjacency(polars.DataFrame(CHAIN, schema=["x", "b", "c"]), NAMES)


def test_weights_are_numbers():
    with pytest.raises(TypeError, match=r"\('a', 'b'\) the weight 'x': weights must be numbers"):
        adjacency({("a", "b"): "x"}, NAMES)
    pandas = pytest.importorskip("pandas")
    with pytest.raises(TypeError, match="weights of graph must be numbers"):
        adjacency(pandas.DataFrame([["x"] * 3] * 3, index=NAMES, columns=NAMES), NAMES)
