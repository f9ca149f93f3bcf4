"""Records to vectors that a network takes, and back; fitted on training records only.

A record becomes its numbers as normal scores (for a private model as places between two ends), then one-hot groups in
the order of the columns: the categories of a column, with missing as one more where training has it, and for a column
of numbers with missing ones: known, missing.

Sources: missing as a value of its own and softmax groups as in TVAE (Xu et al. 2019, arXiv:1907.00503, sec. 4.2 and
4.4); its mode-specific normalisation is replaced by quantiles to normal scores, which need no number of modes
(Kotelnikov et al. 2023, arXiv:2209.15421, sec. 3.1).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.preprocessing import QuantileTransformer

from tfhealth.data.tabular import Column

QUANTILES = 100  # of each column; made numbers lie between them, so all but the two ends are nobody's in particular
LARGEST_SCORE = 3.0  # standard deviations; scikit-learn sets the ends at 5.2
GRID = 64  # different numbers; a column with no more (ages in steps of five) gets no others
DECIMALS = 8  # the most that are looked for


@dataclass(frozen=True)
class Ranges:
    """Maps each column of numbers from its range to [-LARGEST_SCORE, LARGEST_SCORE], evenly, and back.

    It knows the two ends of a column and nothing of what lies between, as quantiles do, each of which is somebody's.

    Attributes:
        low, high: (numbers,) ends.
    """

    low: np.ndarray
    high: np.ndarray

    @classmethod
    def fit(cls, numbers: np.ndarray) -> "Ranges":
        return cls(np.nanmin(numbers, axis=0), np.nanmax(numbers, axis=0))

    def transform(self, numbers: np.ndarray) -> np.ndarray:
        width = np.where(self.high > self.low, self.high - self.low, 1.0)
        return (2 * (numbers - self.low) / width - 1) * LARGEST_SCORE

    def inverse_transform(self, scores: np.ndarray) -> np.ndarray:
        shares = (np.clip(scores, -LARGEST_SCORE, LARGEST_SCORE) / LARGEST_SCORE + 1) / 2
        return self.low + shares * (self.high - self.low)


@dataclass(frozen=True)
class Encoding:
    """A fitted encoding.

    Attributes:
        columns: of the records.
        scaler: of the columns of numbers; None if there are none.
        grids: of each column of numbers: its values where they are few, else None.
        decimals: of each column of numbers, as training records have them; None: more than DECIMALS.
        missing: (columns,) bool: training records lack it.
    """

    columns: tuple[Column, ...]
    scaler: QuantileTransformer | Ranges | None
    grids: tuple[np.ndarray | None, ...]
    decimals: tuple[int | None, ...]
    missing: np.ndarray

    @classmethod
    def fit(cls, x: np.ndarray, columns: Sequence[Column], *, ranges_only: bool = False) -> "Encoding":
        """Returns the encoding of training records (n, columns), as Records holds them.

        Args:
            ranges_only: learn no quantiles, only what a table's description would say as well: the ends of each
                column, its values where they are few, its decimals, and whether any are missing.
        """
        numbers = x[:, _numeric(columns)]
        scaler = None
        if ranges_only and numbers.shape[1]:
            scaler = Ranges.fit(numbers)
        elif numbers.shape[1]:
            scaler = QuantileTransformer(
                n_quantiles=min(QUANTILES, len(x)), output_distribution="normal", subsample=None
            ).fit(numbers)
        known = [np.unique(column[~np.isnan(column)]) for column in numbers.T]
        return cls(
            tuple(columns),
            scaler,
            tuple(values if len(values) <= GRID else None for values in known),
            tuple(map(_decimals, known)),
            np.isnan(x).any(0),
        )

    @property
    def numeric(self) -> list[int]:
        """Returns the positions of the columns of numbers."""
        return _numeric(self.columns)

    @property
    def groups(self) -> tuple[tuple[int, int], ...]:
        """Returns (position of its column, width) of each one-hot group."""
        widths = (
            2 * missing if column.categories is None else len(column.categories) + missing
            for column, missing in zip(self.columns, self.missing.tolist(), strict=True)
        )
        return tuple((position, width) for position, width in enumerate(widths) if width)

    @property
    def width(self) -> int:
        """Returns the length of a vector."""
        return len(self.numeric) + sum(width for _, width in self.groups)

    def encode(self, x: np.ndarray) -> np.ndarray:
        """Returns (n, width) float32 of records (n, columns).

        A missing number is 0, the median; a category or gap that training does not have leaves its group empty.
        """
        parts = [np.zeros((len(x), 0))]
        if self.scaler is not None:
            scores = self.scaler.transform(x[:, self.numeric])
            parts.append(np.nan_to_num(np.clip(scores, -LARGEST_SCORE, LARGEST_SCORE)))
        for position, width in self.groups:
            values, categories = x[:, position], self.columns[position].categories
            code = np.isnan(values) if categories is None else np.where(np.isnan(values), len(categories), values)
            parts.append(code[:, None] == np.arange(width))
        return np.concatenate(parts, axis=1).astype(np.float32)

    def decode(self, scores: np.ndarray, codes: np.ndarray) -> np.ndarray:
        """Returns records (n, columns); numbers lie within those of training, on its grid or with its decimals.

        Args:
            scores: (n, numbers) normal scores.
            codes: (n, groups) the one chosen in each group.
        """
        x = np.empty((len(codes), len(self.columns)))
        if self.scaler is not None:
            x[:, self.numeric] = self._numbers(self.scaler.inverse_transform(np.asarray(scores, np.float64)))
        for (position, _), code in zip(self.groups, codes.T, strict=True):
            categories = self.columns[position].categories
            if categories is None:
                x[code == 1, position] = np.nan
            else:
                x[:, position] = np.where(code == len(categories), np.nan, code)
        return x

    def _numbers(self, numbers: np.ndarray) -> np.ndarray:
        for column, grid, decimals in zip(numbers.T, self.grids, self.decimals, strict=True):
            if grid is not None:
                column[:] = grid[np.abs(column[:, None] - grid).argmin(1)]
            elif decimals is not None:
                column[:] = column.round(decimals)  # the ends are as short, so none is passed
        return numbers


def _numeric(columns: Sequence[Column]) -> list[int]:
    return [position for position, column in enumerate(columns) if column.categories is None]


def _decimals(values: np.ndarray) -> int | None:
    """Returns how many decimals it takes to write the values."""
    return next((d for d in range(DECIMALS + 1) if np.array_equal(values, values.round(d))), None)
