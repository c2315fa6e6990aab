"""
Learning nonlinear features together
====================================

Thirty problems with twelve to forty rows each, whose targets are mixtures of the same two
nonlinear functions of six features. A pipeline makes many random nonlinear features, and
`ReducedRankRidge` finds out from all tasks together which few combinations of these matter: no task
alone has enough rows for that.
"""

# %%
import matplotlib.pyplot as plt
import numpy as np
from sklearn.kernel_approximation import Nystroem
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmtl import MultiTaskRidgeCV, ReducedRankRidge, ReducedRankRidgeCV, keep_tasks, task_scores

rng = np.random.default_rng(0)
n_tasks, n_features = 30, 6
mixtures = rng.normal(size=(n_tasks, 2))


def shared_features(features):
    """What all tasks have in common: a wave along one direction, a hill around another."""
    first, second = features[:, 0] + 0.5 * features[:, 1], features[:, 2] - features[:, 3]
    return np.column_stack([np.sin(2.0 * first), 2.0 * np.exp(-(second**2)) - 1.0])


def rows_of(sizes):
    ids = np.repeat(np.arange(n_tasks), sizes)
    features = rng.uniform(-1.5, 1.5, size=(len(ids), n_features))
    y = np.sum(shared_features(features) * mixtures[ids], axis=1) + 0.2 * rng.normal(size=len(ids))
    return np.column_stack([ids, features]), y


X, y = rows_of(rng.integers(12, 41, size=n_tasks))
X_test, y_test = rows_of(100)

# %%
# Linear or nonlinear, alone or together
# --------------------------------------
# ``keep_tasks`` hands the features to the transformers and leaves the column of the ids alone.
nonlinear = make_pipeline(StandardScaler(), Nystroem(gamma=0.2, n_components=150, random_state=0))
settings = {"ranks": [1, 2, 4], "alphas": [0.003, 0.01, 0.03], "cv": 3, "task_column": 0}
models = {
    "linear, alone": MultiTaskRidgeCV(task_column=0),
    "linear, together": ReducedRankRidgeCV(**settings),
    "nonlinear, alone": MultiTaskRidgeCV(task_column=0),
    "nonlinear, together": ReducedRankRidgeCV(**settings),
}
explained = {}
for name, model in models.items():
    features = nonlinear if name.startswith("nonlinear") else StandardScaler()
    pipeline = make_pipeline(keep_tasks(features, task_column=0), model).fit(X, y)
    table = task_scores(y_test, pipeline.predict(X_test), X_test[:, 0].astype(int), metrics="r2")
    explained[name] = table["r2"]
    print(f"{name}: {np.mean(table['r2']):.2f} of the variance explained, mean over tasks")

# %%
# The rank that was chosen is the number of shared functions.
chosen = pipeline[-1]
print(f"rank {chosen.rank_}, alpha {chosen.alpha_:g}")

# %%
# What was learned
# ----------------
# The shared features are the output of ``transform``. They are determined but for a mixture of
# them: the best combination follows each of the two true functions.
learned = pipeline.transform(X_test)
truth = shared_features(X_test[:, 1:])
design = np.column_stack([np.ones(len(learned)), learned])
followed = design @ np.linalg.lstsq(design, truth, rcond=None)[0]
likeness = [np.corrcoef(followed[:, k], truth[:, k])[0, 1] for k in range(2)]
print("correlation with the true functions:", np.round(likeness, 2))

figure, axes = plt.subplots(1, 2, figsize=(9, 3.5))
axes[0].boxplot(list(explained.values()))
axes[0].set_xticks(range(1, 5), [name.replace(", ", ",\n") for name in explained])
axes[0].set_ylabel("variance explained, one value per task")
axes[1].scatter(truth[:, 0], followed[:, 0], s=2)
axes[1].set(xlabel="true shared function", ylabel="learned")
figure.tight_layout()
plt.show()

# %%
# A new task from few rows
# ------------------------
# The learned features serve a task that was not there: two coefficients instead of 150.
few = rng.uniform(-1.5, 1.5, size=(15, n_features))
many = rng.uniform(-1.5, 1.5, size=(1000, n_features))
new_mixture = rng.normal(size=2)
with_id = [np.column_stack([np.zeros(len(rows)), rows]) for rows in (few, many)]
low = [pipeline.transform(rows) for rows in with_id]
high = [pipeline[0].transform(rows)[:, 1:] for rows in with_id]
target = shared_features(few) @ new_mixture + 0.2 * rng.normal(size=15)
for name, (rows, new) in {"learned": low, "all": high}.items():
    score = MultiTaskRidgeCV().fit(rows, target).score(new, shared_features(many) @ new_mixture)
    print(f"new task, {name} {rows.shape[1]} features: {score:.2f} explained")

# %%
# Conclusion: the right rank matters
# ----------------------------------
# With too few features tasks are forced to be alike; with too many, each of them follows its noise.
for rank in (1, 2, 4, 8):
    model = ReducedRankRidge(rank, alpha=chosen.alpha_, task_column=0)
    pipeline.set_params(reducedrankridgecv=model)
    print(f"rank {rank}: {pipeline.fit(X, y).score(X_test, y_test):.2f} explained over all rows")
print("Nonlinear features that are learned together beat both linear sharing and tasks alone.")
