"""The figure of the README: what each school gains over a model of its own.

python benchmarks/school_figure.py docs/sharing.svg
"""

import sys

import matplotlib
from matplotlib import pyplot as plt

from skmtl import SharingDisplay, SharingRegressor
from skmtl.datasets import fetch_school


def main(path):
    # Text as text, and the same file from the same data.
    plt.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "skmtl"})
    X, y = fetch_school(return_X_y=True)
    model = SharingRegressor(task_column=0).fit(X, y)
    display = SharingDisplay.from_estimator(model, X, y)
    display.figure_.savefig(path, metadata={"Date": None}, bbox_inches="tight")
    print(f"gain {model.gain_:.2f} % (standard error {model.gain_error_:.2f})")


if __name__ == "__main__":
    matplotlib.use("Agg")
    main(sys.argv[1])
