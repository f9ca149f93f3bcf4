"""What KerasTuner may vary, chosen by the diagnosis: more regularization against variance, less against bias."""

from dataclasses import replace

import keras_tuner

from tfhealth.config import ImageTraining
from tfhealth.training.diagnosis import Diagnosis

HYPERPARAMETERS = ("dropout", "l2", "weight_decay", "augmentation", "label_smoothing", "mixup")

# Ranges by verdict: (low, high) is searched evenly, ("log", low, high) evenly in the logarithm.
# "l2" acts on top of AdamW's decay; 1e-4 is the value of He et al. 2016, ten times more still trains.
RANGES = {
    "more": {  # the gap is too wide: start at the defaults and go up
        "dropout": (0.0, 0.5),
        "l2": ("log", 1e-6, 1e-3),
        "weight_decay": ("log", 0.05, 0.5),
        "augmentation": (0.5, 1.5),
        "label_smoothing": (0.05, 0.2),
        "mixup": (0.0, 0.6),
    },
    "less": {  # even the training data are not fitted: start at the defaults and go down
        "dropout": (0.0, 0.1),
        "l2": ("log", 1e-7, 1e-5),
        "weight_decay": ("log", 1e-4, 0.05),
        "augmentation": (0.25, 0.5),
        "label_smoothing": (0.0, 0.05),
        "mixup": (0.0, 0.1),
    },
    "around": {  # both or neither: look on both sides of the defaults
        "dropout": (0.0, 0.3),
        "l2": ("log", 1e-7, 1e-4),
        "weight_decay": ("log", 5e-3, 0.2),
        "augmentation": (0.0, 1.0),
        "label_smoothing": (0.0, 0.15),
        "mixup": (0.0, 0.3),
    },
}


def direction(diagnosis: Diagnosis) -> str:
    """Returns "more", "less" or "around": where regularization should be searched, a key of RANGES."""
    if diagnosis.high_variance != diagnosis.high_bias:
        return "more" if diagnosis.high_variance else "less"
    return "around"


def sample_config(hp: keras_tuner.HyperParameters, base: ImageTraining, towards: str) -> ImageTraining:
    """Returns `base` with the trial's values of HYPERPARAMETERS from RANGES[towards]."""
    chosen = {}
    for name in HYPERPARAMETERS:
        *scale, low, high = RANGES[towards][name]
        chosen[name] = hp.Float(name, low, high, sampling="log" if scale else "linear")
    return replace(base, **chosen)
