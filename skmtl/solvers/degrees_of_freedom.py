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
    n_free = problem.n_free()
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
        total += _bent(d[curved], overlap)
    return float(n_free + total)


def loss_degrees_of_freedom(problem, coef):
    """The same for any loss: the divergence of the fitted means, without intercepts.

    G is the Hessian of the loss at the fit then, less what the free directions explain of it.

    Parameters
    ----------
    problem : LossProblem
        With a penalty of row norms and ridges.
    coef : ndarray of shape (n_features, n_columns)

    Returns
    -------
    float
    """
    layout, point = problem.layout, problem.start(problem.kept_start(coef))
    support = problem.kept[point.coef[problem.kept].any(axis=1)]
    part = point.coef[support]
    d = np.zeros(len(support))
    if problem.gauge is not None and len(support):
        d = problem.gauge.restrict(support).row_curvature(part)
    curved = np.flatnonzero(d)
    units = part[curved] / row_norms(part[curved])[:, None]
    design = problem.design(np.concatenate([problem.free, support]))
    n_fixed = design.shape[1] - len(support)
    total, overlap = 0.0, np.zeros((2, len(curved), len(curved)))
    for k, columns in enumerate(layout.columns):
        n_tasks, K = columns.shape
        hessian = layout.hessian(k, design, point.fitted[k]) / problem.n_bar
        size = n_fixed * K
        cross, grams = hessian[:, size:, :size], hessian[:, size:, size:]
        if size:  # what the free features can fit, without the intercepts
            values = np.linalg.eigvalsh(hessian[:, :size, :size])
            rank = np.sum(values > 1e-12 * values.max(axis=1, keepdims=True))
            total += rank - n_tasks * max(K - 1, 1) * (n_fixed - len(problem.free))
        fixed = np.linalg.pinv(hessian[:, :size, :size], 1e-12, hermitian=True)
        grams = grams - cross @ fixed @ np.swapaxes(cross, 1, 2)
        strength = np.diag(np.repeat(problem.ridge[support, 0] + d, K))
        inverses = np.linalg.inv(grams + strength)
        spread = inverses @ grams
        total += np.einsum("tjj->", spread)
        places = (curved[:, None] * K + np.arange(K)).ravel()
        U = units[:, columns].transpose(1, 0, 2)  # (n_tasks, n_curved, K)
        shape = (n_tasks, len(curved), K, len(curved), K)
        for kept, each in zip(overlap, (inverses, spread @ inverses), strict=True):
            matrices = each[:, places[:, None], places].reshape(shape)
            kept += np.einsum("tja,tjakb,tkb->jk", U, matrices, U)
    return float(total + _bent(d[curved], overlap))


def _bent(d, overlap):
    """What the curvature of the norms adds: H^-1 = A^-1 + A^-1 U (1/d - U' A^-1 U)^-1 U' A^-1.

    With the overlaps U' A^-1 U and U' A^-1 G A^-1 U (Woodbury).
    """
    if not len(d):
        return 0.0
    return np.trace(linalg.lstsq(np.diag(1.0 / d) - overlap[0], overlap[1])[0])
