"""
Many small problems in one pipeline
===================================

Eight groups of diabetes patients (by sex and age), each with 37 to 71 patients: is one model
per group better, one model for all, or something between? The groups are named in a column of
the table, so that everything of scikit-learn works as it does for one problem: a pipeline, a
grid search, a string scorer.
"""

# %%
# The data: one table with a column of task ids
# ---------------------------------------------
import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmtl import (
    MeanRegularizedRidge,
    MultiTaskRidgeCV,
    PooledRegressor,
    TaskKFold,
    keep_tasks,
    task_scores,
)
from skmtl.datasets import load_diabetes_tasks

X, y = load_diabetes_tasks(return_X_y=True, as_frame=True)
print(X.head(3).iloc[:, :5])
print(X["task"].value_counts().sort_index().to_string())

# %%
# A pipeline whose scaler leaves the ids alone
# --------------------------------------------
# `keep_tasks` puts the ids first and gives the other columns to the scaler. `TaskKFold` keeps
# every group in every training fold.
cv = TaskKFold(5, task_column="task", shuffle=True, random_state=0)
model = make_pipeline(
    keep_tasks(StandardScaler(), task_column="task"),
    MeanRegularizedRidge(task_column=0),
)
grid = {
    "meanregularizedridge__alpha_task": np.logspace(-1, 5, 13),
    "meanregularizedridge__alpha_common": [1.0, 10.0, 100.0],
    "meanregularizedridge__alpha_intercept": [1.0, 10.0, 100.0],
}
search = GridSearchCV(model, grid, scoring="r2", cv=cv).fit(X, y)
print(search.best_params_, f"r2 = {search.best_score_:.3f}")

# %%
# The two ends: one model per group, and one model for all
# --------------------------------------------------------
others = {
    "one model per group": MultiTaskRidgeCV(task_column=0),
    "one model for all": PooledRegressor(task_column=0),
}
predictions = {"shared": cross_val_predict(search.best_estimator_, X, y, cv=cv)}
for name, estimator in others.items():
    pipeline = make_pipeline(keep_tasks(StandardScaler(), task_column="task"), estimator)
    predictions[name] = cross_val_predict(pipeline, X, y, cv=cv)

errors = {
    name: task_scores(y, predicted, X["task"], metrics=["rmse"])
    for name, predicted in predictions.items()
}
for name, table in errors.items():
    print(f"{name:22} mean RMSE over groups {np.mean(table['rmse']):.1f}")

# %%
# Which groups gain?
# ------------------
alone = errors["one model per group"]
figure, axes = plt.subplots(figsize=(6, 3.5), layout="constrained")
for name, marker in (("shared", "o"), ("one model for all", "x")):
    gain = 100 * (1 - np.array(errors[name]["rmse"]) / np.array(alone["rmse"]))
    axes.scatter(alone["n_samples"], gain, marker=marker, label=name)
axes.axhline(0.0, color="0.6", linewidth=1)
axes.set(xlabel="patients in the group", ylabel="lower RMSE than\none model per group (%)")
axes.legend()

# %%
# The penalties were chosen on the same folds, so that "shared" has a small advantage here; the
# command ``skmtl compare`` chooses them inside the folds. With so few patients per group the
# common model does most of the work.
