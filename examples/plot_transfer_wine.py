"""
From red wines to white wines
=============================

Experts graded 1599 red and 4898 white wines. Suppose that all grades of the red ones are known, but
few of the white ones: what is the model of the red wines worth? A source is any fitted
scikit-learn model. It is never refitted; ``fit`` gets the rows of the target.
"""

# %%
import matplotlib.pyplot as plt
import numpy as np
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import StandardScaler

from skmtl import TransferForestRegressor, TransferRegressorCV, TransferRidge, TransferRidgeCV
from skmtl.datasets import fetch_wine_quality

wines = fetch_wine_quality()
red = wines.data[:, 0] == 0
X, y = StandardScaler().fit_transform(wines.data[:, 1:]), wines.target
order = np.random.default_rng(0).permutation(np.flatnonzero(~red))
test = order[1000:]


def rmse(model):
    return np.sqrt(np.mean((model.predict(X[test]) - y[test]) ** 2))


# %%
# The models of the red wines
# ---------------------------
# The linear model of the red wines is of little use for white ones as it is: levels and scales
# differ.
ridge = RidgeCV(np.logspace(-2, 4, 13)).fit(X[red], y[red])
forest = RandomForestRegressor(100, min_samples_leaf=2, random_state=0).fit(X[red], y[red])
print(f"source only: ridge {rmse(ridge):.3f}, forest {rmse(forest):.3f}")

# %%
# Few white wines
# ---------------
# `TransferRidgeCV` shrinks towards the source instead of towards zero. By leave-one-out it chooses
# how strongly, and how much of the source to believe: ``source_weights_`` is 0 if the target alone
# is best. Without a source it is the model of the target alone.
sizes = [20, 50, 100, 200, 500]
errors = {"ridge, target only": [], "ridge, transfer": []}
for size in sizes:
    rows = order[:size]
    alone = TransferRidgeCV().fit(X[rows], y[rows])
    moved = TransferRidgeCV(ridge).fit(X[rows], y[rows])
    errors["ridge, target only"].append(rmse(alone))
    errors["ridge, transfer"].append(rmse(moved))
    print(
        f"{size:4} white wines: target only {rmse(alone):.3f}, transfer {rmse(moved):.3f}, "
        f"weight of the source {moved.source_weights_[0]:.2f}"
    )

# %%
# Several transfers, judged together
# ----------------------------------
# `TransferRegressorCV` compares any transfer estimators with the same models of the target alone,
# and with the sources as they are, on held-out rows of the target, and mixes what helps.
rows = order[:30]
candidates = [TransferRidgeCV(ridge), TransferForestRegressor(forest, random_state=0)]
search = TransferRegressorCV(candidates).fit(X[rows], y[rows])
for name, weight in search.candidate_weights_.items():
    print(f"{name:26}{weight:6.2f}   held-out error {np.sqrt(search.cv_scores_[name]):.3f}")
print(f"transfer helps: {search.transfer_helps_}, by {search.gain_:.1f} %")
print(f"on new wines: {rmse(search):.3f}")

# %%
# Grid search tunes on rows of the target; the source stays whole.
grid = {"alpha": np.logspace(0, 4, 9)}
tuned = GridSearchCV(TransferRidge(ridge), grid).fit(X[rows], y[rows])
print(
    f"alpha {tuned.best_params_['alpha']:.0f}, same source: {tuned.best_estimator_.source is ridge}"
)

# %%
for (name, values), marker in zip(errors.items(), "os", strict=True):
    plt.plot(sizes, values, marker + "-", label=name)
plt.axhline(rmse(ridge), color="grey", linestyle=":", label="ridge of the red wines")
plt.xscale("log")
plt.xticks(sizes, sizes)
plt.xlabel("white wines to learn from")
plt.ylabel("root mean squared error of the grade")
plt.legend(frameon=False)
plt.show()
