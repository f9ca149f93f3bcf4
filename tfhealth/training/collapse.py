"""Collapse in numbers: how many of a VAE's latent dimensions carry anything, how much; which classes are covered.

numpy and scipy only.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

ACTIVE_NATS = 0.01  # of mean KL; a dimension below it is collapsed: its posterior is the prior whatever the image
ACTIVE_VARIANCE = 0.01  # of the posterior mean over images (Burda et al. 2016)
RECOGNISED = 0.1  # of a class's images; a class that is recognised less often is not covered
BLOCK = 256  # images whose densities under all posteriors are held at once


@dataclass(frozen=True)
class Collapse:
    """The diagnosis of one encoder on n images.

    Attributes:
        kl: (latent,) mean KL of each dimension in nats.
        active: share of the dimensions with a mean KL above ACTIVE_NATS.
        active_by_variance: share whose posterior mean varies by more than ACTIVE_VARIANCE.
        kl_total: their sum. mutual_information: between image and z, in nats, at most log n.
        marginal_kl: what of kl_total is the distance of all images' z together from the prior.
        ceiling: log n; an estimate at it says only that the information is at least as much.
    """

    kl: np.ndarray
    active: float
    active_by_variance: float
    kl_total: float
    mutual_information: float
    marginal_kl: float
    ceiling: float


def diagnose_collapse(mean: np.ndarray, log_variance: np.ndarray, *, seed: int) -> Collapse:
    """Returns the diagnosis of the posteriors N(mean, exp(log_variance)) of n images, each (n, latent).

    Source: active units: Burda et al. 2016, "Importance Weighted Autoencoders", arXiv:1509.00519, sec. 5.4; KL = mutual
    information + marginal KL: Hoffman and Johnson 2016, "ELBO surgery".
    """
    kl = (mean**2 + np.exp(log_variance) - 1 - log_variance) / 2
    information = mutual_information(mean, log_variance, seed=seed)
    return Collapse(
        kl=kl.mean(0),
        active=float(np.mean(kl.mean(0) > ACTIVE_NATS)),
        active_by_variance=float(np.mean(mean.var(0) > ACTIVE_VARIANCE)),
        kl_total=float(kl.sum(1).mean()),
        mutual_information=information,
        marginal_kl=float(kl.sum(1).mean()) - information,
        ceiling=float(np.log(len(mean))),
    )


def mutual_information(mean: np.ndarray, log_variance: np.ndarray, *, seed: int) -> float:
    """Returns E[log q(z | x) - log q(z)] in nats, with one z drawn for each of the n images and q(z) their mixture.

    Each image's own posterior is in the mixture, so the estimate cannot exceed log n.

    Source: Hoffman and Johnson 2016, eq. 9; as measured by He et al. 2019, arXiv:1901.05534, sec. 4.1.
    """
    mean, log_variance = mean.astype(np.float64), log_variance.astype(np.float64)
    z = mean + np.exp(log_variance / 2) * np.random.default_rng(seed).standard_normal(mean.shape)
    precision = np.exp(-log_variance)
    constant = (mean**2 * precision + log_variance).sum(1)  # of each posterior's density, without 2 pi
    found = []
    for start in range(0, len(z), BLOCK):
        block = z[start : start + BLOCK]
        density = -0.5 * (block**2 @ precision.T - 2 * block @ (mean * precision).T + constant)  # (block, n)
        own = density[np.arange(len(block)), start + np.arange(len(block))]
        found.append(own - logsumexp(density, axis=1) + np.log(len(z)))
    return float(np.concatenate(found).mean())


def class_coverage(labels: np.ndarray, y_pred: np.ndarray, num_classes: int) -> float:
    """Returns the share of classes of which a classifier recognises at least RECOGNISED of the images asked for.

    Args:
        labels: (n,) class ids asked for, every class among them. y_pred: (n,) the classifier's.
    """
    recognised = [np.mean(y_pred[labels == label] == label) for label in range(num_classes)]
    return float(np.mean(np.array(recognised) >= RECOGNISED))
