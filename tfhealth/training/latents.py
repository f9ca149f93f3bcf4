"""Where in the latent space each class lies: a Gaussian fitted to the training images' posterior means and spread.

A VAE's images do not fill the prior evenly, and samples from where no image lies are poor. A density fitted after
training closes the gap.

Source: Ghosh et al. 2020, "From Variational to Deterministic Autoencoders", arXiv:1903.12436, sec. 4 (ex-post density).
"""

from dataclasses import dataclass

import numpy as np
from sklearn.covariance import ledoit_wolf


@dataclass(frozen=True)
class ClassLatents:
    """One Gaussian a class: means (k, latent), factors (k, latent, latent), lower, covariance = factor @ factor.T."""

    means: np.ndarray
    factors: np.ndarray

    def sample(self, labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Returns (n, latent) float32, a draw for each class id in `labels` (n,)."""
        noise = rng.standard_normal((len(labels), self.means.shape[1]))
        return (self.means[labels] + np.einsum("nij,nj->ni", self.factors[labels], noise)).astype(np.float32)


def fit_latents(mean: np.ndarray, log_variance: np.ndarray, labels: np.ndarray, num_classes: int) -> ClassLatents:
    """Returns the Gaussians of the z of training images: covariance of the means, plus the mean posterior variance.

    Rare classes have fewer images than dimensions, so the covariance is shrunk (Ledoit and Wolf 2004).

    Args:
        mean, log_variance: (n, latent) of the posteriors.
        labels: (n,) int class ids. num_classes: k; each needs an image.
    """
    means, factors = [], []
    for label in range(num_classes):
        own = mean[labels == label].astype(np.float64)
        spread = np.diag(np.exp(log_variance[labels == label]).mean(0))
        means.append(own.mean(0))
        factors.append(np.linalg.cholesky(ledoit_wolf(own)[0] + spread))
    return ClassLatents(np.array(means), np.array(factors))


def prior_latents(latent: int, num_classes: int) -> ClassLatents:
    """Returns N(0, 1) for every class: the prior that a VAE or a GAN is trained with."""
    return ClassLatents(np.zeros((num_classes, latent)), np.tile(np.eye(latent), (num_classes, 1, 1)))
