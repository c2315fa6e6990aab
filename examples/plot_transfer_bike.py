"""
Last year's model, continued: bikes of 2011 and 2012
====================================================

A gradient boosting learned how many bikes were rented in every hour of 2011. In 2012 the scheme
has grown. `TransferBoostingRegressor` starts from the raw prediction of last year's model, moves it
to the new level, and grows new trees on the few hours of 2012 that are known.
"""

# %%
import matplotlib.pyplot as plt
import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor

from skmtl import TransferBoostingRegressor
from skmtl.datasets import fetch_bike

bikes = fetch_bike(tasks="year")
old = bikes.data[:, 0] == 2011
X, y = bikes.data[:, 1:], bikes.target
source = HistGradientBoostingRegressor(random_state=0).fit(X[old], y[old])

order = np.random.default_rng(0).permutation(np.flatnonzero(~old))
test = order[2000:]


def rmse(model):
    return np.sqrt(np.mean((model.predict(X[test]) - y[test]) ** 2))


print(f"the model of 2011 in 2012: {rmse(source):.1f} bikes an hour")
print(f"on average {y[old].mean():.0f} bikes an hour in 2011, {y[~old].mean():.0f} in 2012")

# %%
# With few hours of the new year
# ------------------------------
sizes = [20, 50, 100, 200, 500, 1000]
errors = {"2012 only": [], "2011, continued": []}
for size in sizes:
    rows = order[:size]
    alone = TransferBoostingRegressor(random_state=0).fit(X[rows], y[rows])
    moved = TransferBoostingRegressor(source, random_state=0).fit(X[rows], y[rows])
    errors["2012 only"].append(rmse(alone))
    errors["2011, continued"].append(rmse(moved))
    print(
        f"{size:5} hours: alone {rmse(alone):6.1f}, continued {rmse(moved):6.1f} "
        f"({moved.n_iter_} new rounds)"
    )

# %%
for (name, values), marker in zip(errors.items(), "os", strict=True):
    plt.plot(sizes, values, marker + "-", label=name)
plt.axhline(rmse(source), color="grey", linestyle=":", label="model of 2011")
plt.xscale("log")
plt.xticks(sizes, sizes)
plt.xlabel("hours of 2012 to learn from")
plt.ylabel("root mean squared error (bikes an hour)")
plt.legend(frameon=False)
plt.show()
