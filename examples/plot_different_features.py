"""
Tasks with different features and labels in one model
=====================================================

The iris flowers (4 features, 3 classes) and the breast-cancer cells (30 features, 2 classes)
have nothing in common. Stacked into one table they show what the data contract allows, and
what sharing can and cannot do: one estimator holds both, a feature that a task does not have is
missing for it, and each task predicts only labels of its own.
"""

# %%
# One table from two data sets
# ----------------------------
# `stack_tasks` aligns frames by column name; the keys of the dict become the task ids.
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmtl import PerTaskClassifier, PooledClassifier, TaskKFold, stack_tasks, task_scores

iris, cancer = load_iris(as_frame=True), load_breast_cancer(as_frame=True)
X, y = stack_tasks(
    {"iris": iris.data, "cancer": cancer.data},
    {
        "iris": iris.target_names[iris.target],
        "cancer": cancer.target_names[cancer.target],
    },
)
print(X.shape, X["task"].value_counts().to_dict())
print(f"missing: {X.isna().mean().mean():.0%}")

# %%
# Single, shared and pooled
# -------------------------
# The forest and the logistic regression are ordinary scikit-learn pipelines. `PerTaskClassifier`
# gives each task a clone of its own on the features that it has. `PooledClassifier` trains one
# model on all rows, with the absent features filled by their means; with ``task_intercepts``
# the model is told the task of a row.
forest = make_pipeline(StandardScaler(), RandomForestClassifier(random_state=0))
logistic = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
models = {
    "forest, single": PerTaskClassifier(forest, task_column="task", n_jobs=2),
    "forest, pooled": PooledClassifier(forest, task_column="task"),
    "forest, shared (told the task)": PooledClassifier(
        forest, task_intercepts=True, task_column="task"
    ),
    "logistic, single": PerTaskClassifier(logistic, task_column="task"),
    "logistic, pooled": PooledClassifier(logistic, task_column="task"),
}
cv = TaskKFold(5, task_column="task", shuffle=True, stratify=True, random_state=0)
print(f"{'accuracy':34}{'cancer':>8}{'iris':>8}")
for name, model in models.items():
    predicted = cross_val_predict(model, X, y, cv=cv)
    accuracy = task_scores(y, predicted, X["task"], metrics=["accuracy"])["accuracy"]
    print(f"{name:34}{accuracy[0]:8.3f}{accuracy[1]:8.3f}")

# %%
# Where the features are different, nothing can be transferred, and nothing is lost either: the
# model for all tasks splits into one for each. That is what to expect of unrelated tasks, and
# the reason to compare before sharing.
model = models["forest, single"].fit(X, y)
print("labels:", model.classes_.tolist())
print("absent features per task:", model.absent_features_.sum(axis=1))
