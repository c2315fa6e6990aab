"""
Text: two pairs of newsgroups
=============================

Is an article about computers or about science? The articles of one pair of newsgroups are labelled,
those of a related pair hardly. X is a sparse matrix of word counts throughout.
"""

# %%
import matplotlib.pyplot as plt
import numpy as np
from scipy import sparse
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from skmtl import (
    TaskFeatureAugmenter,
    TransferLogisticRegression,
    TransferLogisticRegressionCV,
)
from skmtl.datasets import fetch_newsgroups_pairs

news = fetch_newsgroups_pairs("comp.vs.sci")
ids = news.data[:, [0]].toarray().ravel().astype(int)
X = TfidfTransformer(sublinear_tf=True).fit_transform(news.data[:, 1:])
y = news.target
source = LogisticRegression(C=10).fit(X[ids == 0], y[ids == 0])
order = np.random.default_rng(0).permutation(np.flatnonzero(ids == 1))
test = order[800:]
print(f"articles and words: {X.shape}, {X.nnz / np.prod(X.shape):.1%} of the counts are not zero")
print(f"accuracy of the source as it is: {source.score(X[test], y[test]):.3f}")

# %%
# Two ways: towards a fitted source, or one table with a copy of the words per task
# ---------------------------------------------------------------------------------
# `TaskFeatureAugmenter` gives every word a shared weight and one for each task. The table stays
# sparse; with many tasks the copies can be hashed.
table = sparse.hstack([ids[:, None], X], format="csr")
sizes = [20, 50, 100, 200, 500]
scores = {"target only": [], "TransferLogisticRegressionCV": [], "TaskFeatureAugmenter": []}
for size in sizes:
    rows = order[:size]
    models = {
        "target only": TransferLogisticRegressionCV().fit(X[rows], y[rows]),
        "TransferLogisticRegressionCV": TransferLogisticRegressionCV(source).fit(X[rows], y[rows]),
    }
    for name, model in models.items():
        scores[name].append(model.score(X[test], y[test]))
    both = np.concatenate([np.flatnonzero(ids == 0), rows])
    augmented = make_pipeline(TaskFeatureAugmenter(task_column=0), LogisticRegression(C=10))
    augmented.fit(table[both], y[both])
    scores["TaskFeatureAugmenter"].append(augmented.score(table[test], y[test]))
    print(f"{size:4} articles: " + ", ".join(f"{n} {s[-1]:.3f}" for n, s in scores.items()))

# %%
# Which words did the target correct?
model = TransferLogisticRegression(source).fit(X[order[:200]], y[order[:200]])
moved = np.abs(model.coef_ - source.coef_).ravel()
print(f"{np.mean(moved > 0.05):.0%} of the words moved by more than 0.05")

# %%
for (name, values), marker in zip(scores.items(), "os^", strict=True):
    plt.plot(sizes, values, marker + "-", label=name)
plt.axhline(source.score(X[test], y[test]), color="grey", linestyle=":", label="source as it is")
plt.xscale("log")
plt.xticks(sizes, sizes)
plt.xlabel("labelled articles of the target")
plt.ylabel("accuracy")
plt.legend(frameon=False)
plt.show()
