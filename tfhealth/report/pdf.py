"""The report as a PDF of at most twelve pages, laid out by Typst; figures that are not owed give way."""

import json
import tempfile
from dataclasses import asdict, replace
from importlib.resources import files
from pathlib import Path

import typst

from tfhealth.errors import UserError
from tfhealth.paths import atomic_path
from tfhealth.report.content import Report
from tfhealth.report.outline import ALWAYS
from tfhealth.report.references import references

MOST_PAGES = 12
SCALES = (1.0, 0.92, 0.84)  # of the figures; tried in this order once only those that are owed are left
MOST_TRIED = 12  # of the figures that may give way: each try costs a tenth of a second
TEMPLATE = "report.typ"


def write_pdf(report: Report, exports: Path, path: Path) -> int:
    """Writes the PDF and returns its number of pages.

    Args:
        report: its content.
        exports: exports/<run>, where the figures are.
        path: the PDF file, below `exports`: Typst reads nothing outside of it.

    Raises:
        UserError: even without every figure that may give way it has more than twelve pages.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".typst-") as folder:
        layout = _Layout(report, exports, Path(folder))
        pages = layout.fit()
        with atomic_path(path) as temporary:
            layout.typeset(temporary)
    return pages


class _Layout:
    """The template with one choice of figures in front of Typst."""

    def __init__(self, report: Report, exports: Path, folder: Path):
        self._report, self._exports, self._folder = report, exports, folder
        template = files("tfhealth.report") / "templates" / TEMPLATE
        (folder / TEMPLATE).write_bytes(template.read_bytes())

    def fit(self) -> int:
        """Chooses the figures: those that are owed, then by rank whatever still fits; returns the number of pages."""
        optional = [figure for part in self._report.parts for figure in part.figures if figure.rank > ALWAYS]
        for scale in SCALES:
            if (pages := self._pages(frozenset(), scale)) <= MOST_PAGES:
                break
        else:
            raise UserError(
                f"the report has {pages} pages, at most {MOST_PAGES} are allowed: its texts or tables are too long"
            )
        shown: frozenset[str] = frozenset()
        for figure in sorted(optional, key=lambda figure: figure.rank)[:MOST_TRIED]:
            more = shown | {figure.label}
            if self._pages(more, scale) <= MOST_PAGES:
                shown = more
        return self._pages(shown, scale)

    def typeset(self, path: Path) -> None:
        typst.compile(self._folder / TEMPLATE, output=path, format="pdf", **self._options())

    def _pages(self, more: frozenset[str], scale: float) -> int:
        """Leaves the content with the figures that are owed, and `more`, beside the template, and counts the pages."""
        parts = [
            replace(part, figures=tuple(f for f in part.figures if f.rank == ALWAYS or f.label in more))
            for part in self._report.parts
        ]
        plain = asdict(replace(self._report, parts=tuple(parts)))
        for part, whole in zip(plain["parts"], self._report.parts, strict=True):
            part["left_out"] = len(whole.figures) - len(part["figures"])
        plain |= {"scale": scale, "references": references(self._report)}
        (self._folder / "report.json").write_text(json.dumps(plain), encoding="utf-8")
        found = typst.query(self._folder / TEMPLATE, "<pages>", field="value", one=True, **self._options())
        return int(json.loads(found))

    def _options(self) -> dict:
        return {"root": self._exports, "ignore_system_fonts": True}
