"""Group-wise temperature scaling of a multi-class model: one temperature per group instead of one for all."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from tfhealth.audit.groups import FEWEST
from tfhealth.training.calibration import apply_temperature, fit_temperature
from tfhealth.training.record import Predictions

OTHERS = "others"  # groups too small for a temperature of their own, or not in validation: that of everyone


def fit_group_temperatures(validation: Predictions, feature: str) -> dict[str, float]:
    """Returns group -> temperature fitted on validation, for groups of FEWEST people or more; OTHERS: everyone's."""
    found = {OTHERS: fit_temperature(validation.y_true, validation.y_prob)}
    labels = validation.sensitive_features[feature].astype(str)
    for name in np.unique(labels).tolist():
        rows = labels == name
        if len(np.unique(validation.group_ids[rows])) >= FEWEST:
            found[name] = fit_temperature(validation.y_true[rows], validation.y_prob[rows])
    return found


def apply_group_temperatures(test: Predictions, feature: str, temperatures: Mapping[str, float]) -> Predictions:
    """Returns the predictions with each group's probabilities rescaled; the most probable class stays the same."""
    labels, y_prob = test.sensitive_features[feature].astype(str), test.y_prob.copy()
    for name in np.unique(labels).tolist():
        rows = labels == name
        y_prob[rows] = apply_temperature(test.y_prob[rows], temperatures.get(name, temperatures[OTHERS]))
    return replace(test, y_prob=y_prob)
