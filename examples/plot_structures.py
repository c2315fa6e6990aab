"""
Which tasks are odd, and which belong together
==============================================

Thirty sensors measure what the same machine does. Three clusters of them behave alike, and two
are mounted wrongly. Nobody told us.

A penalty of two parts, ``Decomposed(shared, specific)``, finds the odd ones; a clustered
model finds the clusters.
"""

# %%
# The data: one table with a column of task ids. Rows are few, 25 for 12 features.
import matplotlib.pyplot as plt
import numpy as np

from skmtl import (
    ClusteredTasks,
    CoefficientDisplay,
    MultiTaskRegressorCV,
    MultiTaskRidgeCV,
    TaskRelationDisplay,
)
from skmtl.penalties import Common, Decomposed, SquaredL2, TaskL21

rng = np.random.RandomState(0)
n_tasks, n_rows, n_features = 30, 25, 12
clusters = rng.permutation(np.repeat([0, 1, 2], 10))
odd = np.array([4, 17])
coef = np.array([1.0, -1.0, 0.3])[clusters][:, None] * rng.normal(size=n_features)
coef += 1.0 + 0.1 * rng.normal(size=coef.shape)
coef[odd] = 2.0 * rng.normal(size=(len(odd), n_features))


def measure(n_rows):
    ids = np.repeat(np.arange(n_tasks), n_rows)
    X = rng.normal(size=(len(ids), n_features))
    y = np.sum(X * coef[ids], axis=1) + 2.0 * rng.normal(size=len(ids))
    return np.column_stack([ids, X]), y


X, y = measure(n_rows)
X_test, y_test = measure(200)

# %%
# One model per task, and a common model with deviations of whole tasks: the norm of a deviation
# is penalised, not its square, so that most deviations are small and those of odd tasks are not.
alone = MultiTaskRidgeCV(task_column=0).fit(X, y)
penalty = Decomposed(shared=Common(SquaredL2(0.01)), specific=TaskL21())
robust = MultiTaskRegressorCV(penalty, alphas=20, task_column=0).fit(X, y)
size = np.linalg.norm(robust.coef_parts_["specific"], axis=1)
print("the two largest deviations:", np.sort(np.argsort(size)[-2:]), "planted:", odd)

# %%
# The clusters, from the coefficients of all tasks at once: three, and one for each odd task.
clustered = ClusteredTasks(n_clusters=5, alpha=0.1, task_column=0).fit(X, y)
normal = np.setdiff1d(np.arange(n_tasks), odd)
found = clustered.task_labels_[normal]
same = (found[:, None] == found) == (clusters[normal][:, None] == clusters[normal])
print(f"pairs of tasks that are rightly together or apart: {same.mean():.0%}")

# %%
# Test errors of all three.
for name, model in (("alone", alone), ("robust", robust), ("clustered", clustered)):
    print(f"R2 {name}: {model.score(X_test, y_test):.3f}")

# %%
# What was learned: coefficients in their two parts, and which tasks are related.
CoefficientDisplay.from_estimator(robust, part="all", name="common + deviations")
TaskRelationDisplay.from_estimator(clustered, name="clusters")
plt.show()

# %%
# Conclusion: with few rows per task the structure that fits lowers the error, and it answers
# questions of its own: which tasks are odd, and which belong together.
