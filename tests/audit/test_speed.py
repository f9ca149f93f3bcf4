import time

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from tfhealth.audit.change import disparity_changes, group_changes
from tfhealth.audit.fairness import AuditSettings, audit_model, comparisons
from tfhealth.audit.views import binary_view, is_positive, operating_point, positive_score
from tfhealth.training.record import Predictions

CLASS_SHARES = (0.03, 0.05, 0.11, 0.01, 0.11, 0.67, 0.02)  # HAM10000's
MALIGNANT = (0, 1, 4)


def artifact(seed, n=2000):
    """Predictions of one of many models on the same 2,000 images."""
    data, rng = np.random.default_rng(99), np.random.default_rng(seed)
    lesion = np.sort(data.integers(0, n * 3 // 4, n))
    y_true = data.choice(7, n, p=CLASS_SHARES)[lesion].astype(np.int32)
    features = {
        "sex": data.choice(["female", "male"], n)[lesion],
        "age_band": data.choice(["20-39", "40-59", "60-79", "80+"], n, p=[0.25, 0.4, 0.27, 0.08])[lesion],
        "skin_tone": data.choice(["a", "b", "c", "d", "e", "f"], n),
        "localization": data.choice([f"site {i}" for i in range(15)], n)[lesion],
    }
    logits = 1.5 * np.eye(7)[y_true] + rng.normal(size=(n, 7))
    y_prob = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    return Predictions(y_true, y_prob.astype(np.float32), features, np.arange(n).astype(str), lesion.astype(str))


@pytest.mark.slow
def test_twenty_artifacts_by_five_features_with_1000_draws_take_under_a_minute():
    """Processor seconds of one core: the same whether or not the machine has other work. sex x age makes it five."""
    models = [artifact(seed) for seed in range(21)]
    base = models[0]
    with threadpool_limits(1):  # waiting threads would count
        start = time.process_time()
        threshold = operating_point(is_positive(base, MALIGNANT), positive_score(base, MALIGNANT))
        views = [binary_view(model, MALIGNANT, threshold, "malignant") for model in models]
        prepared = comparisons(base.sensitive_features, views[0].positive, base.group_ids, AuditSettings())
        before, *after = (audit_model(view, prepared) for view in views)
        changes = [(group_changes(before, audit), disparity_changes(before, audit)) for audit in after]
        seconds = time.process_time() - start
    print(f"{seconds:.1f} processor seconds")
    assert len(changes) == 20
    assert len(prepared) == 5
    assert seconds < 60
