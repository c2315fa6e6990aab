"""How many free parameters a shrunk fit is worth."""

import numpy as np
from scipy import linalg

from skmtl.penalties.base import row_norms


def degrees_of_freedom(problem, W):
    """The divergence of the fitted values in the targets, without intercepts.

    The trace of H^-1 G, with G the Hessian of the loss on the support of W and H that of loss and
    penalty: blocks G_t + diag(ridge + d) for the tasks, less sum_j d_j u_j u_j' with
    d_j = alpha_j / ||w_j|| and u_j = w_j / ||w_j||. Vaiter, Deledalle, Fadili, Peyre, Dossal 2017,
    *The degrees of freedom of partly smooth regularizers*, theorem 2. For row norms over features
    orthogonal to each other these are those of Yuan and Lin 2006, eq. 5.5.

    Parameters
    ----------
    problem : Problem
        With a penalty of row norms and ridges.
    W : ndarray of shape problem.shape

    Returns
    -------
    float
    """
    n_free = (problem.n_features - problem.shape[0]) * problem.shape[1]
    support = np.flatnonzero(W.any(axis=1))
    if not len(support):
        return float(n_free)
    part = W[support]
    d = (
        problem.gauge_on(support).row_curvature(part)
        if problem.gauge is not None
        else 0.0 * part[:, 0]
    )
    units = part / row_norms(part)[:, None]
    quadratic = problem.quadratic.gram_on(support)
    grams = quadratic.gram if len(quadratic.gram) == 1 else quadratic.per_task()
    index = np.arange(len(support))
    matrices = grams.copy()
    matrices[:, index, index] += problem.ridge[support, 0] + d
    inverses = np.linalg.inv(matrices)
    spread = inverses @ grams
    n_equal = problem.shape[1] // len(grams)
    total = n_equal * np.einsum("tjj->", spread)
    curved = np.flatnonzero(d)
    if len(curved):
        U, pairs = units[curved], np.ix_(curved, curved)
        bent, overlap = (spread @ inverses), np.zeros((2, len(curved), len(curved)))
        for kept, each in zip(overlap, (inverses, bent), strict=True):
            for t, matrix in enumerate(each):
                columns = U if len(each) == 1 else U[:, t : t + 1]
                kept += matrix[pairs] * (columns @ columns.T)
        # Woodbury: H^-1 = A^-1 + A^-1 U (1 / d - U' A^-1 U)^-1 U' A^-1.
        system = np.diag(1.0 / d[curved]) - overlap[0]
        total += np.trace(linalg.lstsq(system, overlap[1])[0])
    return float(n_free + total)
