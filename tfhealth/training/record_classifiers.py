"""Classifiers of records, which show what synthetic ones are good for: trained on either, tested on real ones."""

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

from tfhealth.data.dataset import Split
from tfhealth.data.tabular import Records
from tfhealth.data.tabular_encoding import Encoding
from tfhealth.training.diagnosis import ScoreDraws
from tfhealth.training.metrics import cluster_weights
from tfhealth.training.weighted import weighted_scores

BUILDERS = {
    "logistic regression": lambda seed: LogisticRegression(max_iter=2000),
    "gradient boosting": lambda seed: HistGradientBoostingClassifier(max_iter=60, random_state=seed),
}


def label_probabilities(builder: str, records: Records, x: np.ndarray, y: np.ndarray, *, seed: int) -> np.ndarray:
    """Returns y_prob (test records, num_classes) of a classifier trained on x and y alone; a class not in y gets 0.

    Args:
        builder: a key of BUILDERS.
        records: whose test records are classified.
        x: (n, columns) real or synthetic records; the encoding is fitted on them too, as one who has no others would.
        y: (n,) class ids.
        seed: of the classifier.
    """
    encoding = Encoding.fit(x, records.columns)
    model = BUILDERS[builder](seed).fit(encoding.encode(x), y)
    y_prob = np.zeros((len(records.bundle.test), records.bundle.num_classes))
    y_prob[:, model.classes_] = model.predict_proba(encoding.encode(records.bundle.test.x.take(slice(None))))
    return y_prob


def auc_draws(test: Split, y_prob: np.ndarray, *, draws: int, seed: int) -> ScoreDraws:
    """Returns the ROC AUC (one-vs-rest, macro) and cluster-bootstrap values of it; the same seed pairs the samples."""
    weights = cluster_weights(test.group_ids, draws=draws, seed=seed)
    found = weighted_scores(test.y, y_prob, np.concatenate([np.ones((1, len(test))), weights]))["roc_auc"]
    return ScoreDraws(float(found[0]), found[1:])
