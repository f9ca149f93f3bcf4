"""Two attacks on synthetic tables: guessing an attribute of a known person, and singling a person out.

Each is made on people who were trained on and, as control, on people who were not; the risk is what the attack gains
from the training. Guessing from what is true of everyone (age and site say something about a diagnosis) is no leak.

Source: Giomi, Boenisch, Wehmeyer, Tasnádi 2023, "A Unified Framework for Quantifying Privacy Risk in Synthetic Data",
PoPETs 2023(2), arXiv:2211.10459. Their package anonymeter 1.1.0 asks for numpy below 1.27 and so cannot be used here.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tfhealth.audit.realism import Interval
from tfhealth.audit.statistics import binomial_interval
from tfhealth.training.metrics import interval

TOLERANCE = 0.05  # of a column's range: a guessed number this near is right; Giomi et al., sec. 4.3
DRAWS = 2000  # of the risk's interval
PERMUTATIONS = 1000
TRIES = 20  # for each description wanted: most tables give more than one unique description in as many
BLOCK = 256  # people at a time: bounds the memory


@dataclass(frozen=True)
class AttackRisk:
    """Of one attack.

    Attributes:
        success: share of attacks on trained-on people that were right.
        control: the same on held-out people.
        risk: (success - control) / (1 - control): 0, nothing leaks; 1, every attack owes its success to training.
        attacks: made on trained-on people.
    """

    success: Interval
    control: Interval
    risk: Interval
    attacks: int

    @property
    def flagged(self) -> bool:
        return self.risk.low > 0


def attribute_inference(
    train: np.ndarray,
    heldout: np.ndarray,
    synthetic: np.ndarray,
    categorical: Sequence[bool],
    secret: int,
    *,
    attacks: int = 1000,
    seed: int = 0,
) -> AttackRisk:
    """Returns the risk that who knows all of a person's attributes but one reads that one off the synthetic table.

    The guess is the secret of the synthetic row closest in the known attributes (Gower distance).

    Args:
        train, heldout, synthetic: (n, columns) numbers or category codes, NaN missing.
        categorical: (columns,) whether a column holds codes.
        secret: the column to guess; people in whom it is missing are not attacked.
        attacks: people attacked in each set, at most.
        seed: of the choice of people.

    Source: Giomi et al. 2023, sec. 4.3 and eq. 2.
    """
    rng = np.random.default_rng(seed)
    spans = column_spans(train)
    known = np.arange(train.shape[1]) != secret
    knows = synthetic[~np.isnan(synthetic[:, secret])]
    counts = []
    for people in (train, heldout):
        people = people[~np.isnan(people[:, secret])]
        people = people[rng.permutation(len(people))[:attacks]]
        kinds = np.asarray(categorical, bool)
        nearest = gower_nearest(people[:, known], knows[:, known], kinds[known], spans[known])
        error = np.abs(knows[nearest, secret] - people[:, secret])
        right = error == 0 if kinds[secret] else error <= TOLERANCE * spans[secret]
        counts.append((int(right.sum()), len(right)))
    return _risk(*counts, rng)


def singling_out(
    train: np.ndarray,
    heldout: np.ndarray,
    synthetic: np.ndarray,
    categorical: Sequence[bool],
    *,
    attributes: int = 3,
    attacks: int = 500,
    seed: int = 0,
) -> AttackRisk:
    """Returns the risk that a description read off the synthetic table fits exactly one trained-on person.

    A description takes some attributes of a synthetic row: a category as it is, a number as "at least" if it is above
    the synthetic median and "at most" if below. Those that fit no more than one synthetic row are tried. How often one
    fits exactly one person depends on how many there are: as many trained-on people as held-out ones are attacked,
    drawn at random. Unusual people decide over many descriptions at once, so these are no independent trials: the
    risk's interval is as wide as the risk varies when people are called trained-on at random; those of the two shares
    are for these people.

    Args:
        train, heldout, synthetic, categorical: as in `attribute_inference`.
        attributes: in a description.
        attacks: descriptions.
        seed: of the descriptions and the people.

    Source: Giomi et al. 2023, sec. 4.1 (multivariate); sets of equal size in place of their correction for size.
    """
    rng = np.random.default_rng(seed)
    size = min(len(train), len(heldout))
    people = np.concatenate([rows[rng.permutation(len(rows))[:size]] for rows in (train, heldout)])
    fits = _descriptions(people, synthetic, np.asarray(categorical, bool), attributes, attacks, rng)
    if not len(fits):
        return AttackRisk(*[Interval(np.nan, np.nan, np.nan)] * 3, 0)
    trained = np.tile(np.arange(2 * size) < size, (PERMUTATIONS + 1, 1))
    rng.permuted(trained[1:], axis=1, out=trained[1:])  # the first calling is the true one
    in_train = trained.astype(np.float32) @ fits.T  # (callings, descriptions) people who fit
    alone = [(found == 1).mean(1) for found in (in_train, fits.sum(1) - in_train)]
    made, risks = len(fits), _gain(*alone)
    shares = (Interval(share[0], *binomial_interval(round(share[0] * made), made)) for share in alone)
    low, high = interval(risks[1:] - risks[1:].mean())
    return AttackRisk(*shares, Interval(risks[0], risks[0] + low, risks[0] + high), made)


def column_spans(values: np.ndarray) -> np.ndarray:
    """Returns (columns,) maximum less minimum of what is known; 1 where nothing varies."""
    known = np.where(np.isnan(values), np.nan, values)
    some = ~np.isnan(known).all(0)
    spans = np.zeros(values.shape[1])
    spans[some] = np.nanmax(known[:, some], axis=0) - np.nanmin(known[:, some], axis=0)
    return np.where(spans > 0, spans, 1.0)


def gower_nearest(people: np.ndarray, rows: np.ndarray, categorical: np.ndarray, spans: np.ndarray) -> np.ndarray:
    """Returns (people,) the position of the closest row: mean over columns of |difference| / span, or 0 or 1.

    A category differs or not; a missing value is like another missing one and unlike any known one.

    Source: Gower 1971, "A General Coefficient of Similarity and Some of Its Properties", sec. 3.
    """
    nearest = []
    for start in range(0, len(people), BLOCK):
        block = people[start : start + BLOCK]
        total = np.zeros((len(block), len(rows)))
        for column in range(people.shape[1]):
            one, other = block[:, column, None], rows[None, :, column]
            apart = (one != other) if categorical[column] else np.minimum(np.abs(one - other) / spans[column], 1)
            missing = np.isnan(one), np.isnan(other)
            total += np.where(missing[0] | missing[1], missing[0] != missing[1], apart)
        nearest.append(total.argmin(1))
    return np.concatenate(nearest)


def _medians(values: np.ndarray) -> np.ndarray:
    some = ~np.isnan(values).all(0)
    return np.array([np.nanmedian(column) if known else 0.0 for column, known in zip(values.T, some, strict=True)])


def _descriptions(people, synthetic, categorical, attributes: int, attacks: int, rng) -> np.ndarray:
    """Returns (descriptions, people) float32, 1 for who fits each of up to `attacks` descriptions."""
    medians, made = _medians(synthetic), []
    for _ in range(TRIES * attacks):
        row = synthetic[rng.integers(len(synthetic))]
        columns = rng.choice(people.shape[1], min(attributes, people.shape[1]), replace=False)
        if _fits(synthetic, row, columns, categorical, medians).sum() <= 1:
            made.append(_fits(people, row, columns, categorical, medians))
        if len(made) == attacks:
            break
    return np.array(made, np.float32)


def _fits(people: np.ndarray, row: np.ndarray, columns: np.ndarray, categorical, medians) -> np.ndarray:
    """Returns (people,) bool: who fits the description that these columns of `row` give."""
    fits = np.ones(len(people), bool)
    for column in columns:
        cells, value = people[:, column], row[column]
        if np.isnan(value):
            fits &= np.isnan(cells)
        elif categorical[column]:
            fits &= cells == value
        else:
            fits &= cells >= value if value > medians[column] else cells <= value
    return fits


def _risk(trained: tuple[int, int], control: tuple[int, int], rng: np.random.Generator) -> AttackRisk:
    """From (right, made) of each: rates, and the risk with an interval from draws of Jeffreys' posterior of both."""
    shares, drawn = [], []
    for right, made in (trained, control):
        if not made:
            return AttackRisk(*[Interval(np.nan, np.nan, np.nan)] * 3, 0)
        shares.append(Interval(right / made, *binomial_interval(right, made)))
        drawn.append(rng.beta(right + 0.5, made - right + 0.5, DRAWS))
    value = float(_gain(shares[0].value, shares[1].value))
    return AttackRisk(*shares, Interval(value, *interval(_gain(*drawn))), trained[1])


def _gain(success, control):
    """Giomi et al., eq. 2; 0 where the control always succeeds."""
    return np.where(control < 1, (success - control) / np.where(control < 1, 1 - control, 1), 0.0)
