import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from tfhealth.data.tabular import RecordOptions, load_records
from tfhealth.training.record_classifiers import BUILDERS, auc_draws, label_probabilities

RECORDS = load_records("breast_cancer", RecordOptions())
TRAIN, TEST = RECORDS.bundle.train, RECORDS.bundle.test


@pytest.mark.parametrize("builder", BUILDERS)
def test_classifier_learns_from_what_it_is_given(builder):
    x = TRAIN.x.take(slice(None))
    y_prob = label_probabilities(builder, RECORDS, x, TRAIN.y, seed=0)
    found = auc_draws(TEST, y_prob, draws=50, seed=0)
    assert found.score == pytest.approx(roc_auc_score(TEST.y, y_prob[:, 1]))
    assert found.score > 0.95
    shuffled = np.random.default_rng(0).permutation(TRAIN.y)
    by_chance = auc_draws(TEST, label_probabilities(builder, RECORDS, x, shuffled, seed=0), draws=50, seed=0)
    assert by_chance.score < 0.85
    assert np.quantile(by_chance.draws, 0.1) < by_chance.score < np.quantile(by_chance.draws, 0.9)
