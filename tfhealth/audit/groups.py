"""Who is compared with whom: groups large enough to speak of, the small ones pooled, the tiny ones hidden."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

# Distinct people (or lesions, where people are not known) below which a group gets no number. Source: Parker et al.
# 2017, "National Center for Health Statistics Data Presentation Standards for Proportions", Vital Health Stat. 2(175):
# proportions of fewer than 30 are not shown.
FEWEST = 30
# Distinct people below which not even the count is shown, and no rate that has so few below the line: small cells can
# identify a person. Source: CMS cell size suppression policy (cells of 1 to 10), here as "under 10".
SUPPRESS_BELOW = 10
HIDDEN = f"<{SUPPRESS_BELOW}"
UNKNOWN = "unknown"
PEOPLE = ("patient", "lesion", "person", "subject")  # in a card's group unit, e.g. "patient_id": they stand for people
NOT_AUDITED = -1
POOLED = "pooled: "
POOL_JOIN = " / "
TOO_FEW = f"too few to say (under {FEWEST})"
SUPPRESSED = f"suppressed (under {SUPPRESS_BELOW})"
JOIN = ", "


@dataclass(frozen=True)
class Grouping:
    """One sensitive feature, ready to be audited.

    Attributes:
        feature: its name.
        names: of the audited groups, sorted; a pooled group's names its members.
        codes: (n,) int16 position in `names`; NOT_AUDITED for the rest.
        units: (groups,) distinct people or lesions.
        left_out: group -> why it has no number.
        left_out_units: group -> count, HIDDEN under SUPPRESS_BELOW.
        pooled: pooled group's name -> its members.
    """

    feature: str
    names: tuple[str, ...]
    codes: np.ndarray
    units: np.ndarray
    left_out: Mapping[str, str] = field(default_factory=dict)
    left_out_units: Mapping[str, int | str] = field(default_factory=dict)
    pooled: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def comparable(self) -> bool:
        """Whether there are two groups to compare."""
        return len(self.names) > 1


def grouping(feature: str, labels: np.ndarray, group_ids: np.ndarray) -> Grouping:
    """Returns the groups of a feature; those under FEWEST are pooled, and left out if even together they are too few.

    If the pool has under SUPPRESS_BELOW, it takes in the smallest group beside it: its count could else be worked out
    from the total. "unknown" is nobody's group: it is audited when large enough, but never pooled with others.

    Args:
        feature: its name.
        labels: (n,) str.
        group_ids: (n,) patient or lesion.
    """
    labels = np.asarray(labels).astype(str)
    units = {name: len(np.unique(group_ids[labels == name])) for name in np.unique(labels).tolist()}
    known = sorted((count, name) for name, count in units.items() if not _is_unknown(name))
    small = [name for count, name in known if count < FEWEST]
    together = _units_of(small, labels, group_ids)
    if 0 < together < SUPPRESS_BELOW and len(known) > len(small) + 1:
        small.append(known[len(small)][1])
        together = _units_of(small, labels, group_ids)
    members = {name: (name,) for _, name in known if name not in small}
    pooled, rest = {}, {}
    pool = small[0] if len(small) == 1 else POOLED + POOL_JOIN.join(sorted(small))
    if together >= FEWEST:
        members[pool] = tuple(sorted(small))
        pooled = {pool: tuple(sorted(small))}
    elif small:  # one count for all of them: a single hidden one could be worked out from the rest
        rest[pool] = together
    for name in filter(_is_unknown, units):
        if units[name] >= FEWEST:
            members[name] = (name,)
        else:
            rest[name] = units[name]
    return _assemble(feature, labels, group_ids, members, rest, pooled)


def _assemble(feature, labels, group_ids, members, rest: Mapping[str, int], pooled) -> Grouping:
    names = tuple(sorted(members))
    codes = np.full(len(labels), NOT_AUDITED, np.int16)
    for code, name in enumerate(names):
        codes[np.isin(labels, members[name])] = code
    return Grouping(
        feature=feature,
        names=names,
        codes=codes,
        units=np.array([len(np.unique(group_ids[codes == code])) for code in range(len(names))], int),
        left_out={name: SUPPRESSED if count < SUPPRESS_BELOW else TOO_FEW for name, count in rest.items()},
        left_out_units={name: shown(count) for name, count in rest.items()},
        pooled=pooled,
    )


def people_ids(group_ids: np.ndarray, example_ids: np.ndarray, group_unit: str) -> np.ndarray:
    """Returns (n,) ids of what is counted, resampled and permuted as one: people, or lesions where these are known.

    A data set may be split by something else that keeps train and test apart (a diagnosis category, a publication),
    which says nothing about who belongs together: then each example counts by itself.

    Args:
        group_ids, example_ids: (n,) of the predictions.
        group_unit: of the card.
    """
    return group_ids if any(word in group_unit.lower() for word in PEOPLE) else example_ids


def intersect(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Returns (n,) labels "female, 40-59"; unknown where either is, as half of an intersection is no group."""
    pairs = [
        UNKNOWN if _is_unknown(a) or _is_unknown(b) else f"{a}{JOIN}{b}"
        for a, b in zip(first.tolist(), second.tolist(), strict=True)
    ]
    return np.array(pairs, dtype=str)


def with_intersections(
    features: Mapping[str, np.ndarray], pairs: tuple[tuple[str, str], ...] = (("sex", "age_band"),)
) -> dict[str, np.ndarray]:
    """Returns the features and, for each pair that they hold, their intersection, named "sex x age_band"."""
    crossed = {f"{a} x {b}": intersect(features[a], features[b]) for a, b in pairs if a in features and b in features}
    return {**features, **crossed}


def bands(values: np.ndarray, *, count: int = 4, unit: str = "") -> np.ndarray:
    """Returns (n,) labels of equally filled bands of a number, in which proxies (brightness, length) are audited.

    Equal values share a band, so a number with few values gets fewer bands. NaN is "unknown".

    Args:
        values: (n,) float.
        count: bands at most.
        unit: written after the limits, e.g. "words".
    """
    values = np.asarray(values, float)
    known = np.isfinite(values)
    if not known.any():
        return np.full(len(values), UNKNOWN)
    edges = np.unique(np.quantile(values[known], np.linspace(0, 1, count + 1)))
    which = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, max(len(edges) - 2, 0))
    ends = [(edges[i], edges[min(i + 1, len(edges) - 1)]) for i in range(max(len(edges) - 1, 1))]
    names = np.array([f"{i + 1}: {low:.4g} to {high:.4g} {unit}".strip() for i, (low, high) in enumerate(ends)])
    return np.where(known, names[which], UNKNOWN)


def shown(count: int) -> int | str:
    """Returns a count as tables may show it: "<10" for 1 to 9."""
    return HIDDEN if 0 < count < SUPPRESS_BELOW else int(count)


def units_in(codes: np.ndarray, groups: int, chosen: np.ndarray, group_ids: np.ndarray) -> np.ndarray:
    """Returns (groups, k) distinct people or lesions among the chosen examples of each group; chosen is (n, k) bool."""
    _, unit = np.unique(group_ids, return_inverse=True)
    counts = np.zeros((groups, chosen.shape[1]), int)
    for column in range(chosen.shape[1]):
        rows = chosen[:, column] & (codes >= 0)
        pairs = np.unique(codes[rows].astype(np.int64) * (unit.max(initial=0) + 1) + unit[rows])
        counts[:, column] = np.bincount(pairs // (unit.max(initial=0) + 1), minlength=groups)[:groups]
    return counts


def _units_of(names: list[str], labels: np.ndarray, group_ids: np.ndarray) -> int:
    return len(np.unique(group_ids[np.isin(labels, names)])) if names else 0


def _is_unknown(name: str) -> bool:
    return name.strip().lower() in ("", UNKNOWN, "nan", "none")
