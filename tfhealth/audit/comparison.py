"""A grouping of the test split with everything that is needed to compare its groups, whatever the model."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tfhealth.audit.groups import SUPPRESS_BELOW, Grouping, units_in
from tfhealth.audit.statistics import permutation_index


@dataclass(frozen=True)
class Comparison:
    """A grouping of the test split with all that does not depend on the model; made once, used for every artifact.

    Attributes:
        grouping: its groups.
        rows: (m,) positions of the audited examples; what follows is about these.
        positive: (m, k) bool truth.
        group_ids: (m,) patient or lesion.
        weights: (draws, m) float32, bootstrap.
        permutations: number of permutations.
        seed: of the permutations.
    """

    grouping: Grouping
    rows: np.ndarray
    positive: np.ndarray
    group_ids: np.ndarray
    weights: np.ndarray
    permutations: int
    seed: int

    @classmethod
    def of(
        cls,
        grouping: Grouping,
        positive: np.ndarray,
        group_ids: np.ndarray,
        weights: np.ndarray,
        *,
        permutations: int,
        seed: int,
    ) -> "Comparison":
        """Args as the attributes, but of all n examples."""
        rows = np.flatnonzero(grouping.codes >= 0)
        arrays = (positive[rows], np.asarray(group_ids)[rows], weights[:, rows])
        return cls(grouping, rows, *arrays, permutations=permutations, seed=seed)

    @cached_property
    def codes(self) -> np.ndarray:
        return self.grouping.codes[self.rows]

    @cached_property
    def members(self) -> list[np.ndarray]:
        """Positions of each group's examples."""
        return [np.flatnonzero(self.codes == code) for code in range(len(self.grouping.names))]

    @cached_property
    def permuted(self) -> dict[str, np.ndarray]:
        """(permutations, m) codes, permuted among all and within each true class."""
        return {among: self.codes[self._index(among, self.permutations)] for among in ("all", "class")}

    @cached_property
    def exchangeable(self) -> float:
        """Share of the examples whose labels can move when permuted within their class; near 0 no test has power."""
        if not len(self.rows):
            return 0.0
        return float((self._index("class", draws=20) != np.arange(len(self.rows))).any(0).mean())

    def _index(self, among: str, draws: int) -> np.ndarray:
        single = self.positive.shape[1] == 1
        classes = self.positive[:, 0].astype(int) if single else self.positive.argmax(1)
        strata = np.zeros(len(self.rows), int) if among == "all" else classes
        return permutation_index(strata, self.group_ids, draws=draws, seed=self.seed)

    @cached_property
    def counts(self) -> dict[str, np.ndarray]:
        """ "positive" and "negative" (groups, k) and "all" (groups, 1): examples of each group."""
        own = {"positive": self.positive, "negative": ~self.positive, "all": np.ones((len(self.rows), 1), bool)}
        return {name: np.array([column[rows].sum(0) for rows in self.members]) for name, column in own.items()}

    @cached_property
    def enough(self) -> dict[str, np.ndarray]:
        """ "positive" and "negative" (groups, k) bool: SUPPRESS_BELOW or more people; "all" (groups, 1): always."""
        groups = len(self.grouping.names)
        columns = {"positive": self.positive, "negative": ~self.positive}
        found = {
            name: units_in(self.codes, groups, column, self.group_ids) >= SUPPRESS_BELOW
            for name, column in columns.items()
        }
        return {**found, "all": np.ones((groups, 1), bool)}
