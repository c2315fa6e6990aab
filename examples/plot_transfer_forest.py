"""
A forest moves to another subject: grades of pupils
===================================================

A random forest learned the final grades of 395 pupils in mathematics from their earlier grades and
from what else is known of them. `TransferForestRegressor` keeps its trees and lets the leaves, or
the splits too, follow the grades of few pupils in Portuguese.
"""

# %%
import matplotlib.pyplot as plt
import numpy as np
from sklearn.ensemble import RandomForestRegressor
from sklearn.model_selection import GridSearchCV

from skmtl import TransferForestRegressor
from skmtl.datasets import fetch_student

grades = fetch_student()
mathematics = grades.data[:, 0] == 0
X, y = grades.data[:, 1:], grades.target
source = RandomForestRegressor(100, min_samples_leaf=3, random_state=0)
source.fit(X[mathematics], y[mathematics])

rng = np.random.default_rng(0)
draws = [np.split(rng.permutation(np.flatnonzero(~mathematics)), [30]) for _ in range(5)]


def rmse(fitted):
    """Mean over five draws of thirty pupils, on all others."""
    errors = [
        np.mean((fitted(rows).predict(X[test]) - y[test]) ** 2) ** 0.5 for rows, test in draws
    ]
    return np.mean(errors)


# %%
# What follows the target: values of the leaves, thresholds, or whole subtrees
# -----------------------------------------------------------------------------
errors = {
    "target only": rmse(lambda rows: TransferForestRegressor(random_state=0).fit(X[rows], y[rows])),
    "source as it is": rmse(lambda rows: source),
}
for method in ("leaves", "expand_reduce", "structure", "mix"):
    model = TransferForestRegressor(source, method=method, random_state=0)
    errors[method] = rmse(lambda rows, model=model: model.fit(X[rows], y[rows]))
for name, error in errors.items():
    print(f"{name:16}{error:5.2f}")

# %%
# A leaf's new value lies between the source's and the mean of the target rows in it; how many rows
# the source's value is worth is chosen by exact leave-one-out, or by a grid search on target rows.
rows = draws[0][0]
model = TransferForestRegressor(source, random_state=0).fit(X[rows], y[rows])
print(f"by leave-one-out: {model.prior_strength_:g}")
search = GridSearchCV(
    TransferForestRegressor(source, n_new_trees=0, random_state=0),
    {"prior_strength": [0.0, 1.0, 10.0, 100.0, np.inf]},
    scoring="neg_root_mean_squared_error",
).fit(X[rows], y[rows])
scores = search.cv_results_["mean_test_score"]
for strength, score in zip(search.cv_results_["param_prior_strength"], scores, strict=True):
    print(f"prior strength {strength:5}: {-score:.2f}")

# %%
plt.barh(list(errors), list(errors.values()))
plt.gca().invert_yaxis()
plt.xlabel("root mean squared error of the grade in Portuguese")
plt.tight_layout()
plt.show()
