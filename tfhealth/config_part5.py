"""As config.py, for Part 5."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Part5Config:
    """Part 5: the audit.

    Attributes:
        draws: bootstrap samples behind every 95 % interval. permutations: behind every p-value, at least.
        oracle_draws: test splits with a planted gap, and as many without one, that the audit itself is tested on.
            oracle_gap: in sensitivity, between 600 and 1,400 of 2,000 examples.
        retraining_epochs: in which the model is trained on, once with group-balanced weights and once without.
            retraining_rate: peak learning rate; a trained model needs a small one.
    """

    draws: int
    permutations: int
    oracle_draws: int
    retraining_epochs: int
    oracle_gap: float = 0.18  # what 2,000 examples show with 95 % power
    retraining_rate: float = 3e-4


PART5 = {
    # Under 2 minutes on 2 cores on the phantom are the aim.
    "quick": Part5Config(draws=300, permutations=500, oracle_draws=20, retraining_epochs=2),
    # 200 draws: a power of 0.95 is then known to about 3 points.
    "full": Part5Config(draws=1000, permutations=1000, oracle_draws=200, retraining_epochs=6),
}
