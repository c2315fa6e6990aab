"""
A lasso, pretrained on all schools
==================================

The exam scores of 15362 pupils in 139 schools: too few pupils per school for a lasso of its own,
but schools differ. `PretrainedLassoCV` fits one lasso to all pupils; then every school starts from
its prediction, and features that the common lasso did not use are penalised more.
"""

# %%
import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import LassoCV

from skmtl import (
    MultiTaskLassoCV,
    PooledRegressor,
    PretrainedLassoCV,
    task_train_test_split,
)
from skmtl.datasets import fetch_school

X, y = fetch_school(return_X_y=True)
X_train, X_test, y_train, y_test = task_train_test_split(
    X, y, task_column=0, train_size=0.2, random_state=0
)


def rmse(model):
    return np.sqrt(np.mean((model.predict(X_test) - y_test) ** 2))


# %%
# From fine-tuning to separate lassos
# -----------------------------------
# With a separation of 0 a school keeps the common prediction and only corrects features that the
# common lasso uses; with 1 it has a lasso of its own.
grid = {"alphas": 8, "alphas_common": 10, "cv": 3, "task_column": 0}
separations = [0.0, 0.25, 0.5, 0.75, 1.0]
errors = []
for separation in separations:
    model = PretrainedLassoCV(separations=[separation], **grid).fit(X_train, y_train)
    errors.append(rmse(model))
    print(f"separation {separation:.2f}: {errors[-1]:.2f}")

# %%
# The separation is chosen by cross-validation, too.
chosen = PretrainedLassoCV(separations=separations, **grid).fit(X_train, y_train)
pooled = rmse(PooledRegressor(LassoCV(), task_column=0).fit(X_train, y_train))
joint = rmse(MultiTaskLassoCV(task_column=0, alphas=20).fit(X_train, y_train))
print(f"chosen: separation {chosen.separation_:.2f}, {rmse(chosen):.2f}")
print(f"one lasso for all: {pooled:.2f}, multi-task lasso: {joint:.2f}")
used = (chosen.coef_ != 0).mean(axis=1)
print(f"a school uses {used.min():.0%} to {used.max():.0%} of the features")

# %%
plt.plot(separations, errors, "o-", label="pretrained lasso")
plt.axhline(pooled, color="grey", linestyle=":", label="one lasso for all")
plt.axhline(joint, color="grey", linestyle="--", label="multi-task lasso")
plt.xlabel("separation: from fine-tuning to separate lassos")
plt.ylabel("root mean squared error")
plt.legend(frameon=False)
plt.show()
