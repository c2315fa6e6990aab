"""What a transfer starts from: fitted source models, or rows of sources."""

import warnings
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from sklearn.base import is_classifier, is_regressor
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from skmtl import frames

LEAST_PROBABILITY = 1e-6  # of a label that a source never had, or thinks impossible
LINEAR = 1e-6  # error, relative to what varies, up to which a model is its linear form
MOST_ROWS = 200  # on which that is checked
FAR, N_SIGNS = 1e3, 8
MOST_CELLS = 2**22  # of a table of unit vectors


@dataclass(frozen=True)
class Rows:
    """Rows of the target or of one source; weights are None if every row counts the same."""

    X: object
    y: np.ndarray
    weights: np.ndarray | None

    def __len__(self):
        return len(self.y)

    def take(self, rows):
        """Some of the rows, by index array or mask."""
        weights = None if self.weights is None else self.weights[rows]
        return Rows(frames.take_rows(self.X, rows), self.y[rows], weights)

    def weights_or_ones(self):
        return np.ones(len(self.y)) if self.weights is None else self.weights


class SourceModel:
    """A fitted source, asked about rows of the target: columns in the order that it knows.

    Parameters
    ----------
    model : estimator
        Fitted; never changed.
    names : list of str or None
        Names of the features of the target.
    n_features : int
        Their number.
    label : str
        What an error message calls the source.
    """

    def __init__(self, model, names, n_features, label):
        self.model, self.n_features, self.label = model, n_features, label
        self.names = getattr(model, "feature_names_in_", None)
        self.columns = self._match(names)

    def _match(self, names):
        """Positions of the source's features among those of the target; None for all in order."""
        own = getattr(self.model, "n_features_in_", self.n_features)
        if self.names is None or names is None:
            if own != self.n_features:
                known = "" if self.names is None else f" ({', '.join(map(str, self.names[:5]))}...)"
                raise ValueError(
                    f"{self.label} was fitted to {own} features{known}, but the target has "
                    f"{self.n_features}: fit both to frames, so that features are matched by name, "
                    "or give the target the same features in the same order."
                )
            if self.names is not None:
                warnings.warn(
                    f"{self.label} was fitted with feature names, but the target has none: its "
                    "columns are taken as they come, in the units that the source knows.",
                    UserWarning,
                    stacklevel=5,
                )
            return None
        place = {name: position for position, name in enumerate(names)}
        lacking = [name for name in self.names.tolist() if name not in place]
        if lacking:
            raise ValueError(
                f"{self.label} knows the features {lacking[:5]}, which the target does not have; "
                f"it has {list(names)[:10]}."
            )
        columns = np.array([place[name] for name in self.names.tolist()])
        same = len(columns) == len(names) and (columns == np.arange(len(names))).all()
        return None if same else columns

    def table(self, X):
        """Rows of the target as the source knows them: its columns, with names if it has some."""
        if self.columns is not None:
            X = X.tocsc() if sparse.issparse(X) else X
            X = frames.take_columns(X, self.columns)
            X = X.tocsr() if sparse.issparse(X) else X
        if self.names is not None and isinstance(X, np.ndarray):
            try:
                import pandas
            except ImportError:  # the names came from polars
                return X
            return pandas.DataFrame(X, columns=self.names)
        return X

    def ask(self, method, X):
        """The answer of a method of the source to rows of the target."""
        with warnings.catch_warnings():  # without pandas the names are missing
            warnings.filterwarnings("ignore", message="X does not have valid feature names")
            warnings.filterwarnings("ignore", message="X has feature names, but")  # of inner steps
            answer = getattr(self.model, method)(self.table(X))
        return np.asarray(answer)

    def predict(self, X):
        """Predicted numbers of shape (n_rows,)."""
        predicted = self.ask("predict", X)
        if predicted.ndim == 2 and predicted.shape[1] == 1:
            predicted = predicted[:, 0]
        if predicted.ndim != 1:
            raise ValueError(
                f"{self.label} predicts {predicted.shape[1]} outputs, but the target has one."
            )
        return predicted.astype(np.float64)

    def probabilities(self, X, classes):
        """Probabilities (n_rows, n_classes) of the target's classes; 0 where the source lacks one.

        Rows sum to one. A source without ``predict_proba`` is read from ``decision_function``, as
        log-odds.
        """
        if hasattr(self.model, "predict_proba"):
            own = self.ask("predict_proba", X).astype(np.float64)
        elif self._decides():
            own = softmax(two_columns(self.ask("decision_function", X)))
        else:
            labels = self.ask("predict", X)
            own = (labels[:, None] == self.model.classes_[None, :]).astype(np.float64)
        if own.shape[1] > len(self.model.classes_) == 1:  # boosters: a label that never was
            own = np.ones((len(own), 1))
        return spread_over_classes(own, self.model.classes_, classes, self.label)

    def _decides(self):
        """Whether there is a ``decision_function`` with a score per class, not per pair of them."""
        if not hasattr(self.model, "decision_function"):
            return False
        params = self.model.get_params() if hasattr(self.model, "get_params") else {}
        return (
            not any(
                name.rpartition("__")[2] == "decision_function_shape" and value == "ovo"
                for name, value in params.items()
            )
            or len(self.model.classes_) == 2
        )

    def log_odds(self, X, classes):
        """Log-odds (n_rows,) of the second of two classes, else scores (n_rows, n_classes).

        Of a linear source they are its own ``decision_function``, else the logarithms of its
        probabilities, none below `LEAST_PROBABILITY`.
        """
        own = getattr(self.model, "classes_", np.array([]))
        if self._decides() and np.array_equal(own, classes):
            decision = self.ask("decision_function", X).astype(np.float64)
            if decision.shape[1:] in ((), (len(classes),)):
                return decision
        logs = np.log(np.maximum(self.probabilities(X, classes), LEAST_PROBABILITY))
        return logs[:, 1] - logs[:, 0] if len(classes) == 2 else logs

    def linear(self, X):
        """Coefficients and intercept if the source is linear, judged near rows X; else None.

        Returns
        -------
        coef : ndarray of shape (n_features,) or (n_features, n_classes)
            In the order of the target's features, 0 for those that the source does not know.
        intercept : float or ndarray of shape (n_classes,)
        """
        labels = hasattr(self.model, "classes_")  # a booster itself has no tags
        if labels and not self._decides():
            return None
        method = "decision_function" if labels else "predict"
        X = X[:MOST_ROWS]
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")  # of values that the source never met
            try:
                if not self._is_straight(method, X):
                    return None
                found = self._own_coefficients()
                if found is None or not self._agrees(method, X, found):
                    found = self._probe(method, sparse.issparse(X))
            except (ValueError, ArithmeticError):  # the source cannot do with such values
                return None
            return found if self._agrees(method, X, found) else None

    def _is_straight(self, method, X):
        """Whether answers lie on straight lines from zero through rows X and far beyond.

        A tree would else be a constant for rows that are in one of its leaves. Rows of random signs
        reach what varies in features that are zero in all rows X.
        """
        signs = np.random.default_rng(0).choice([-FAR, FAR], (N_SIGNS, self.n_features))
        zero = np.zeros((1, self.n_features))
        if sparse.issparse(X):
            signs, zero = sparse.csr_array(signs), sparse.csr_array(zero)
        centre = self.ask(method, zero).astype(np.float64)
        for rows in (X, signs):
            told = self.ask(method, rows)
            for times in (-1.0, FAR):
                beyond = self.ask(method, rows * times)
                moved = beyond - centre
                if not close(moved, times * (told - centre), moved, abs(times) * told, X.dtype):
                    return False
        return True

    def _agrees(self, method, X, form):
        """Whether a linear form gives the answers to rows X."""
        coef, intercept = form
        told = self.ask(method, X)
        if told.ndim == 2 and told.shape[1] == 1:
            told = told[:, 0]
        linear = np.asarray(X @ coef) + intercept
        return told.shape == linear.shape and close(told, linear, told - intercept, told, X.dtype)

    def _own_coefficients(self):
        coef = getattr(self.model, "coef_", None)
        intercept = getattr(self.model, "intercept_", None)
        if coef is None or intercept is None or isinstance(coef, (list, dict)):
            return None
        coef = coef.toarray() if sparse.issparse(coef) else np.asarray(coef)
        n_own = self.n_features if self.columns is None else len(self.columns)
        if coef.ndim > 2 or coef.shape[-1] != n_own:
            return None
        out = np.zeros((*coef.shape[:-1], self.n_features))
        out[..., slice(None) if self.columns is None else self.columns] = coef
        intercept = np.asarray(intercept, dtype=np.float64)
        if out.ndim == 2 and len(out) == 1:
            return out[0], float(intercept.reshape(-1)[0])
        if out.ndim == 1:
            return out, float(intercept.reshape(-1)[0])
        return out.T, intercept

    def _probe(self, method, as_sparse):
        """What a linear model must be, from its answers to zeros and to unit vectors."""
        make = sparse.csr_array if as_sparse else np.asarray
        intercept = self.ask(method, make(np.zeros((1, self.n_features)))).astype(np.float64)[0]
        n_rows = self.n_features if as_sparse else max(1, MOST_CELLS // self.n_features)
        parts = []
        for first in range(0, self.n_features, n_rows):
            shape = min(n_rows, self.n_features - first), self.n_features
            units = sparse.eye_array(*shape, k=first, format="csr")
            units = units if as_sparse else units.toarray()
            parts.append(self.ask(method, units).astype(np.float64))
        coef = np.concatenate(parts) - intercept
        if coef.ndim == 2 and coef.shape[1] == 1:
            coef, intercept = coef[:, 0], intercept[0]
        return coef, intercept


def close(a, b, varying, level, dtype):
    """Whether two answers are equal up to rounding, which is that of their level."""
    exact = LINEAR if dtype == np.float64 and np.asarray(a).dtype == np.float64 else 1e-3
    slack = exact * (np.abs(varying).max(initial=0.0) + 1e-3 * np.abs(level).max(initial=0.0))
    return bool(np.abs(a - b).max(initial=0.0) <= slack)


def two_columns(decision):
    """Scores of two classes from the log-odds of the second; others as they are."""
    if decision.ndim == 1:
        return np.column_stack([np.zeros(len(decision)), decision])
    return decision


def softmax(scores):
    scores = np.exp(scores - scores.max(axis=1, keepdims=True))
    return scores / scores.sum(axis=1, keepdims=True)


def spread_over_classes(values, own, classes, label="the source"):
    """Columns for `own` classes at their places among `classes`; 0 elsewhere."""
    check_kind_of_labels(own, classes, label)
    columns = np.searchsorted(classes, own)
    out = np.zeros((len(values), len(classes)))
    out[:, columns] = values
    return out


def check_kind_of_labels(own, classes, label):
    """Raise ValueError if labels of a source and of the target cannot be compared."""
    words = [np.asarray(labels).dtype.kind in "OUS" for labels in (own, classes)]
    if words[0] != words[1]:
        raise ValueError(
            f"{label} has the labels {np.asarray(own)[:3].tolist()}, but the target has "
            f"{np.asarray(classes)[:3].tolist()}: make the labels of one kind."
        )


def union_of_classes(y, models):
    """Sorted labels of the target rows and of the source models."""
    known = [np.unique(y)]
    for source in models:
        own = getattr(source.model, "classes_", None)
        if own is not None:
            check_kind_of_labels(own, known[0], source.label)
            known.append(np.asarray(own))
    return np.unique(np.concatenate(known))


def unfrozen(model):
    """The model inside a FrozenEstimator."""
    while type(model).__name__ == "FrozenEstimator" and hasattr(model, "estimator"):
        model = model.estimator
    return model


def listed(source):
    """Names and fitted models of a parameter `source`: a model, a list or a dict of them."""
    if isinstance(source, dict):
        return list(source), list(source.values())
    models = list(source) if isinstance(source, (list, tuple)) else [source]
    return list(range(len(models))), models


def read_models(source, owner, names, n_features):
    """Names and `SourceModel`s of a parameter `source`, checked.

    Raises
    ------
    TypeError
        If a source cannot predict, or predicts the wrong kind of target.
    NotFittedError
        A ValueError: if a source was not fitted.
    ValueError
        If there are none, or features cannot be matched.
    """
    keys, models = listed(source)
    if not models:
        raise ValueError("source is empty: give a fitted estimator or a list of them, or None.")
    checked = []
    for key, given in zip(keys, models, strict=True):
        model = unfrozen(given)
        label = f"source {key!r} ({type(model).__name__})"
        if isinstance(model, type) or not hasattr(model, "predict"):
            rows = " For rows of sources there is source_rows." if hasattr(model, "shape") else ""
            raise TypeError(f"{label} is no fitted estimator: it has no predict.{rows}")
        known = hasattr(model, "__sklearn_tags__")  # not a booster of LightGBM or XGBoost itself
        wrong = known and (is_regressor(model) if is_classifier(owner) else is_classifier(model))
        if wrong:
            kinds = (
                ("regressor", "classifier") if is_classifier(owner) else ("classifier", "regressor")
            )
            raise TypeError(f"{label} is a {kinds[0]}, but {type(owner).__name__} is a {kinds[1]}.")
        if is_classifier(owner) and getattr(model, "classes_", None) is None and not known:
            raise TypeError(
                f"{label} does not say its labels (classes_): give the classifier of its library "
                "that follows scikit-learn, such as LGBMClassifier or XGBClassifier."
            )
        check_fitted(model, label)
        checked.append(SourceModel(model, names, n_features, label))
    return keys, checked


def check_fitted(model, label):
    """Raise NotFittedError if a source was not fitted."""
    try:
        check_is_fitted(model)
    except NotFittedError as error:
        raise NotFittedError(
            f"{label} is not fitted: fit it to the rows of the source first. (GridSearchCV clones "
            "the values of a grid: there, wrap a source in sklearn.frozen.FrozenEstimator.)"
        ) from error
    except TypeError:  # no scikit-learn estimator: its predict will tell
        return


def pairs_of_rows(source_rows):
    """Names and pairs (X, y) or triples (X, y, sample_weight) of a parameter `source_rows`."""
    if isinstance(source_rows, dict):
        keys, pairs = list(source_rows), list(source_rows.values())
    elif isinstance(source_rows, list):
        keys, pairs = list(range(len(source_rows))), source_rows
    elif isinstance(source_rows, tuple) and all(isinstance(p, tuple) for p in source_rows):
        keys, pairs = list(range(len(source_rows))), list(source_rows)
    else:
        keys, pairs = [0], [source_rows]
    for key, pair in zip(keys, pairs, strict=True):
        if not isinstance(pair, (tuple, list)) or len(pair) not in (2, 3):
            raise TypeError(
                "source_rows must be (X, y), or a list or dict of such pairs, one per source, but "
                f"source {key!r} is a {type(pair).__name__}"
                + (f" of {len(pair)} parts." if isinstance(pair, (tuple, list)) else ".")
            )
    if not pairs:
        raise ValueError("source_rows is empty: give (X, y) or a list of pairs, or None.")
    return keys, pairs
