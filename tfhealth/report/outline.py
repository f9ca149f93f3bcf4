"""What the report shows of each part, in which order, and what may be left out of twelve pages.

Names of figures and tables are those of the part's findings.json; one that is not there is passed over, and a figure
that no row here names is shown last, if there is room.
"""

from dataclasses import dataclass

ALWAYS = 0  # the rank of what a part owes; what has a rank above it gives way, the highest first
UNNAMED = 90  # the rank of figures that no row here names


@dataclass(frozen=True)
class Column:
    """A column of a table: its heading, the CSV's column, and how a cell is written (see content.cell)."""

    heading: str
    key: str
    style: str = "text"


@dataclass(frozen=True)
class TablePlan:
    """A table: where its rows come from and which of them count.

    Attributes:
        name: of the table in findings.json.
        mention: what it is, as the sentence that refers to it says.
        caption: under the table.
        where: (column, values): of the values the first that a row has chooses the rows; "=view.name" stands for
            what `findings.values["view"]["name"]` says.
    """

    name: str
    mention: str
    caption: str
    columns: tuple[Column, ...]
    where: tuple[tuple[str, tuple[str, ...]], ...] = ()


@dataclass(frozen=True)
class FigurePlan:
    """A figure: its file's name in findings.json, its mention in a sentence, its caption, and its rank."""

    name: str
    mention: str
    caption: str
    rank: int = ALWAYS


@dataclass(frozen=True)
class Section:
    """A part of the report.

    Attributes:
        folders: where its findings may stand; the first that is there is reported.
        words: the fewest and the most its text may have.
    """

    number: int
    title: str
    folders: tuple[str, ...]
    words: tuple[int, int]
    tables: tuple[TablePlan, ...]
    figures: tuple[FigurePlan, ...]

    @property
    def command(self) -> str:
        return f"part{self.number}"
