"""Losses that a class imbalance does not bias."""

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable("tfhealth")
class LogitAdjustedCrossentropy(keras.losses.Loss):
    """Cross-entropy on logits shifted by tau * log(class share): trains for balanced accuracy when tau is 1.

    Rare classes must win by a margin during training, so the unshifted logits at prediction time favour no class.
    tau = 0 is plain cross-entropy.

    Args:
        class_shares: (num_classes,) shares of the classes in the training split, all above 0.
        tau: strength of the adjustment.
        label_smoothing: share of each label spread over all classes.
        consistency: weight of the divergence between two answers to the same example. Then a batch is a half and the
            same examples again, and dropout makes their answers differ: the model learns to answer alike without the
            units that it happens to be without (R-Drop, alpha).

    Source: Menon et al. 2021, "Long-tail learning via logit adjustment", ICLR, arXiv:2007.07314, eq. 10; Wu et al.
    2021, "R-Drop: Regularized Dropout for Neural Networks", NeurIPS, arXiv:2106.14448, eq. 4.
    """

    def __init__(self, class_shares, tau=0.0, label_smoothing=0.0, consistency=0.0, name="crossentropy", **kwargs):
        super().__init__(name=name, **kwargs)
        self.class_shares = [float(share) for share in class_shares]
        if min(self.class_shares) <= 0:
            raise ValueError("every class needs training examples: class_shares must be above 0")
        self.tau = float(tau)
        self.label_smoothing = float(label_smoothing)
        self.consistency = float(consistency)

    def call(self, y_true, y_pred):
        """y_true (batch, num_classes) one-hot or mixed labels, y_pred (batch, num_classes) logits -> (batch,)."""
        shift = ops.convert_to_tensor(self.tau * np.log(self.class_shares), y_pred.dtype)
        logits = y_pred + shift
        loss = keras.losses.categorical_crossentropy(
            y_true, logits, from_logits=True, label_smoothing=self.label_smoothing
        )
        return loss + self.consistency * _divergence(logits) if self.consistency else loss

    def get_config(self):
        own = {"class_shares": self.class_shares, "tau": self.tau, "label_smoothing": self.label_smoothing}
        return {**super().get_config(), **own, "consistency": self.consistency}


def _divergence(logits):
    """(2 * n, num_classes) -> (2 * n,): half the mean of a pair's two KL divergences; a pair has it once."""
    log_p = ops.log_softmax(logits)
    first, second = ops.split(log_p, 2)
    found = ops.sum((ops.exp(first) - ops.exp(second)) * (first - second), axis=-1) / 4
    return ops.concatenate([found, found])
