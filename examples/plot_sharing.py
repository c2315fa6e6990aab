"""
Should the tasks learn from each other?
=======================================

Forty problems with ten to sixty rows each, whose coefficients vary around a common model: those
of some features vary much, those of others not at all. `SharingRegressor` finds out how much
sharing is good, without anything to tune, and says what it gains.
"""

# %%
import matplotlib.pyplot as plt
import numpy as np

from skmtl import (
    HierarchicalRidge,
    MultiTaskRidgeCV,
    SharingDisplay,
    SharingRegressor,
    negative_transfer_report,
    task_scores,
)

rng = np.random.default_rng(0)
n_tasks, n_features = 40, 8
spread = np.array([0.0, 0.0, 0.0, 0.0, 0.2, 0.2, 1.0, 1.0])  # between tasks, by feature
coefs = rng.normal(size=n_features) + spread * rng.normal(size=(n_tasks, n_features))


def rows_of(sizes):
    ids = np.repeat(np.arange(n_tasks), sizes)
    features = rng.normal(size=(len(ids), n_features))
    y = np.sum(features * coefs[ids], axis=1) + 2.0 * rng.normal(size=len(ids))
    return np.column_stack([ids, features]), y


X, y = rows_of(rng.integers(10, 61, size=n_tasks))
X_test, y_test = rows_of(200)

# %%
# Three lines, and the verdict
# ----------------------------
model = SharingRegressor(task_column=0).fit(X, y)
print(f"sharing helps: {model.sharing_helps_}")
print(f"error lower by {model.gain_:.1f} % (standard error {model.gain_error_:.1f})")
weights = {name: round(weight, 2) for name, weight in model.strategy_weights_.items()}
print(f"weights: {weights}")

# %%
# The gain of each task was judged on rows that the models had not seen. New rows agree.
alone = MultiTaskRidgeCV(task_column=0).fit(X, y)
errors = {
    name: task_scores(y_test, fitted.predict(X_test), X_test[:, 0].astype(int), metrics="rmse")
    for name, fitted in {"alone": alone, "sharing": model}.items()
}
means = {name: table["rmse"].mean() for name, table in errors.items()}
print(f"new rows: error lower by {100 * (1 - means['sharing'] / means['alone']):.1f} %")

# %%
# Which tasks gain? The small ones
# --------------------------------
SharingDisplay.from_estimator(model, X, y)
plt.show()

# %%
# What is shared? The first four features, to which all tasks respond alike
# -------------------------------------------------------------------------
hierarchical = HierarchicalRidge(task_column=0, unknown_task="shared").fit(X, y)
print("shared, feature by feature:", hierarchical.feature_sharing_.round(2))
print("spread between tasks:", np.sqrt(hierarchical.coef_covariance_).round(2))

# %%
# Is any task hurt?
# -----------------
print(negative_transfer_report(hierarchical, X, y, random_state=0).summary)

# %%
# A new task from ten rows
# ------------------------
# What was learned is the prior of the next task; with the noise it gives intervals.
new_coef = coefs.mean(axis=0) + spread * rng.normal(size=n_features)
few = np.column_stack([np.full(10, 99), rng.normal(size=(10, n_features))])
adapted = hierarchical.adapt(few, few[:, 1:] @ new_coef + 2.0 * rng.normal(size=10))
rows = np.column_stack([np.full(500, 99), rng.normal(size=(500, n_features))])
truth = rows[:, 1:] @ new_coef + 2.0 * rng.normal(size=500)
mean, deviation = adapted.predict(rows, return_std=True)
inside = np.abs(truth - mean) < 1.96 * deviation
print(f"error without its rows: {np.std(truth - hierarchical.predict(rows)):.2f}")
print(f"error after ten rows: {np.std(truth - mean):.2f}, inside the interval: {inside.mean():.0%}")
