"""
Which features do all tasks share?
==================================

Twelve problems with thirty rows and forty features each; the same five features matter in all of
them, with coefficients of their own. The multi-task lasso selects features for all tasks
together. Its whole path of penalties costs little more than one fit, every model on it has a
duality gap, and cross-validation that keeps every task in every training fold chooses one.
"""

# %%
import matplotlib.pyplot as plt
import numpy as np

from skmtl import (
    MultiTaskLassoCV,
    MultiTaskRidgeCV,
    make_multitask_regression,
    multitask_lasso_path,
    task_scores,
    task_train_test_split,
)

X, y, coef, _ = make_multitask_regression(
    n_tasks=12, n_samples=60, n_features=40, n_informative=5, noise=2.0, coef=True, random_state=0
)
rows = np.arange(len(y))
train, test = task_train_test_split(rows, tasks=X[:, 0].astype(int), test_size=0.5, random_state=0)

# %%
# The path
# --------
path = multitask_lasso_path(X[train], y[train], task_column=0)
norms = np.linalg.norm(path.coefs, axis=0)  # (n_features, n_alphas)
informative = coef.any(axis=0)
print(f"largest duality gap on the path: {path.dual_gaps.max():.1e}")

# %%
# The choice: the least error, or the largest penalty within one standard error of it
# -----------------------------------------------------------------------------------
models = {
    selection: MultiTaskLassoCV(task_column=0, selection=selection).fit(X[train], y[train])
    for selection in ("best", "one_standard_error")
}
for name, model in models.items():
    selected = model.coef_.any(axis=0)
    print(
        f"{name:18} alpha {model.alpha_:.3f}: {selected.sum():2d} features, "
        f"{selected[informative].sum()} of the {informative.sum()} that matter"
    )

models["ridge per task"] = MultiTaskRidgeCV(task_column=0).fit(X[train], y[train])
for name, model in models.items():
    table = task_scores(y[test], model.predict(X[test]), X[test][:, 0], metrics=["rmse"])
    print(f"{name:18} mean RMSE over tasks {np.mean(table['rmse']):.2f}")

# %%
figure, axes = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
axes[0].semilogx(path.alphas, norms[~informative].T, color="0.8", linewidth=0.8)
axes[0].semilogx(path.alphas, norms[informative].T, color="C0")
axes[0].set(xlabel="alpha", ylabel="norm of a feature's coefficients over tasks")
best = models["best"]
mean, spread = best.mse_path_.mean(axis=1), best.mse_path_.std(axis=1, ddof=1) / np.sqrt(5)
axes[1].semilogx(best.alphas_, mean)
axes[1].fill_between(best.alphas_, mean - spread, mean + spread, alpha=0.2)
for name, style in (("best", "-"), ("one_standard_error", "--")):
    axes[1].axvline(models[name].alpha_, color="C3", linestyle=style, label=name)
axes[1].set(xlabel="alpha", ylabel="held-out mean squared error")
axes[1].legend()

# %%
# The features that matter (blue) enter first. The penalty that predicts best lets some others in;
# one standard error of the error buys a sparser model.
