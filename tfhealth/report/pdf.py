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
        """Lets as few figures give way as can be; returns the number of pages."""
        ranks = sorted({figure.rank for part in self._report.parts for figure in part.figures} | {ALWAYS})
        low, high = 0, len(ranks)  # of the ranks, the first `low` fit, the first `high` + 1 do not
        while low < high:  # pages grow with the figures, so halving finds the most that fit
            middle = (low + high + 1) // 2
            if self._pages(ranks[middle - 1], 1.0) <= MOST_PAGES:
                low = middle
            else:
                high = middle - 1
        if low:
            return self._pages(ranks[low - 1], 1.0)
        for scale in SCALES:
            if (pages := self._pages(ALWAYS, scale)) <= MOST_PAGES:
                return pages
        raise UserError(f"the report has {pages} pages, at most {MOST_PAGES} are allowed: its texts or tables are too long")

    def typeset(self, path: Path) -> None:
        typst.compile(self._folder / TEMPLATE, output=path, format="pdf", **self._options())

    def _pages(self, rank: int, scale: float) -> int:
        """Leaves the content with figures up to a rank beside the template, and counts the pages."""
        shown = [replace(p, figures=tuple(f for f in p.figures if f.rank <= rank)) for p in self._report.parts]
        plain = asdict(replace(self._report, parts=tuple(shown)))
        for part, whole in zip(plain["parts"], self._report.parts, strict=True):
            part["left_out"] = len(whole.figures) - len(part["figures"])
        plain |= {"scale": scale, "references": references(self._report)}
        (self._folder / "report.json").write_text(json.dumps(plain), encoding="utf-8")
        found = typst.query(self._folder / TEMPLATE, "<pages>", field="value", one=True, **self._options())
        return int(json.loads(found))

    def _options(self) -> dict:
        return {"root": self._exports, "ignore_system_fonts": True}
