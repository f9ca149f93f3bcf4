"""The report's content, from what the parts left: texts checked, tables read, figures found, sources named.

pdf.py and html.py only lay out what stands here; no number is worked out.
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfhealth.audit.findings import Findings
from tfhealth.errors import UserError
from tfhealth.provenance import Record, read_record
from tfhealth.report.headlines import Headline, headline
from tfhealth.report.outline import UNNAMED, FigurePlan, Section, TablePlan
from tfhealth.report.sections import SECTIONS
from tfhealth.report.wording import MODEL_NAMES
from tfhealth.report.writing import RESEARCH

MOST_ROWS = 40  # of a table; the others are in its CSV
LONGEST_CELL = 42  # characters of a name that is cut
UNKNOWN = "-"


@dataclass(frozen=True)
class Table:
    """A table as it is printed: cells are words; `left` says which columns hold words rather than numbers."""

    label: str
    mention: str
    caption: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    left: tuple[bool, ...]


@dataclass(frozen=True)
class Figure:
    """A figure: path of its PNG below the run's exports; rank 0 must be shown."""

    label: str
    mention: str
    caption: str
    path: str
    rank: int


@dataclass(frozen=True)
class PartContent:
    """One part as it is reported. blocks: ("heading" or "paragraph", words). A missing part has only `missing`."""

    number: int
    title: str
    headline: Headline
    missing: str = ""
    blocks: tuple[tuple[str, str], ...] = ()
    tables: tuple[Table, ...] = ()
    figures: tuple[Figure, ...] = ()
    recommendations: tuple[str, ...] = ()
    folder: str = ""
    record: Record | None = None


@dataclass(frozen=True)
class Report:
    """Everything the report says.

    Attributes:
        sources: title, licence, citation, url, examples of each data set, once each.
        caveats: sentence -> the numbers of the parts it holds for.
    """

    run: str
    parts: tuple[PartContent, ...]
    sources: tuple[Mapping[str, str], ...]
    caveats: Mapping[str, tuple[int, ...]]
    notice: str = RESEARCH


def assemble(exports: Path, commands: Mapping[str, str]) -> Report:
    """Returns the report of the run whose exports these are.

    Args:
        exports: exports/<run>.
        commands: "part1" -> the command that makes it, for a part that is missing.

    Raises:
        UserError: no part is there, a findings.json is broken, or a text has not the length that is asked for.
    """
    found = {section.number: _findings(exports, section, commands) for section in SECTIONS}
    if not any(found.values()):
        raise UserError(f"{exports} holds no part of a run: run `{commands[SECTIONS[0].command]}` first, or give --run")
    check_lengths({section: found[section.number].text for section in SECTIONS if found[section.number]})
    parts = tuple(_part(exports, section, found[section.number], commands[section.command]) for section in SECTIONS)
    sources, caveats = {}, {}
    for number, findings in found.items():
        if findings:
            for data in filter(None, (findings.values["data"], findings.values.get("records", {}).get("data"))):
                sources.setdefault(data["name"], _source(data))
            for caveat in findings.caveats:
                caveats[caveat] = (*caveats.get(caveat, ()), number)
    caveats.pop(RESEARCH, None)
    return Report(exports.name, parts, tuple(sources.values()), caveats)


def word_count(text: str) -> int:
    """Returns how many words a text has; the marks of its headings are none."""
    return sum(not set(word) <= {"#"} for word in text.split())


def check_lengths(texts: Mapping[Section, str]) -> None:
    """Raises UserError with the counts if a part's text is shorter or longer than what is asked for."""
    wrong = []
    for section, text in texts.items():
        (fewest, most), count = section.words, word_count(text)
        if not fewest <= count <= most:
            wrong.append(f"Part {section.number} has {count} words, asked for are {fewest} to {most}")
    if wrong:
        raise UserError(f"{'; '.join(wrong)}: make it anew (delete its findings.json and run its command)")


def _findings(exports: Path, section: Section, commands: Mapping[str, str]) -> Findings | None:
    folder = next((name for name in section.folders if (exports / name / "findings.json").exists()), None)
    return folder and Findings.load(exports / folder, commands[section.command])


def _part(exports: Path, section: Section, findings: Findings | None, command: str) -> PartContent:
    if findings is None:
        missing = f"Part {section.number} was not run. Make it with: {command}"
        return PartContent(section.number, section.title, headline(section.number, None), missing)
    folder = exports / findings.part
    label = f"part{section.number}"
    tables = [_table(folder, plan, findings, f"tab-{label}-{plan.name}") for plan in section.tables]
    return PartContent(
        section.number,
        section.title,
        headline(section.number, findings.values),
        blocks=_blocks(findings.text),
        tables=tuple(table for table in tables if table is not None),
        figures=tuple(_figures(folder, section.figures, findings, f"fig-{label}")),
        recommendations=tuple(findings.values.get("recommendations", ())),
        folder=findings.part,
        record=read_record(exports, findings.part),
    )


def _blocks(text: str) -> tuple[tuple[str, str], ...]:
    paragraphs = (" ".join(paragraph.split()) for paragraph in text.split("\n\n"))
    return tuple(
        ("heading", words.lstrip("# ")) if words.startswith("#") else ("paragraph", words)
        for words in paragraphs
        if words
    )


def _figures(folder: Path, plans: Sequence[FigurePlan], findings: Findings, label: str) -> list[Figure]:
    """Returns the figures that are there: those of the outline in its order, then the others."""
    named = {plan.name for plan in plans}
    more = [
        FigurePlan(n, n.replace("_", " "), n.replace("_", " "), UNNAMED) for n in findings.figures if n not in named
    ]
    return [
        Figure(f"{label}-{plan.name}", plan.mention, plan.caption, f"{folder.name}/{file}", plan.rank)
        for plan in (*plans, *more)
        if (file := findings.figures.get(plan.name)) and (folder / file).exists()
    ]


def _table(folder: Path, plan: TablePlan, findings: Findings, label: str) -> Table | None:
    """Reads a part's CSV; None where the part made no such table, or no row of it counts."""
    path = folder / findings.tables.get(plan.name, "")
    if not path.is_file():
        return None
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for column, values in plan.where:
        wanted = [_value(findings.values, value) for value in values]
        chosen = next((value for value in wanted if any(row.get(column) == value for row in rows)), None)
        rows = [row for row in rows if row.get(column) == chosen]
    if not rows:
        return None
    left = f" The first {MOST_ROWS} of {len(rows)} rows; all are in {folder.name}/{path.name}."
    return Table(
        label,
        plan.mention,
        plan.caption + (left if len(rows) > MOST_ROWS else ""),
        tuple(column.heading for column in plan.columns),
        tuple(tuple(cell(row, c.key, c.style) for c in plan.columns) for row in rows[:MOST_ROWS]),
        tuple(column.style in ("text", "words", "short") for column in plan.columns),
    )


def _value(values: Mapping[str, Any], name: str) -> str:
    if not name.startswith("="):
        return name
    for key in name.removeprefix("=").split("."):
        values = values.get(key) or {}
    return str(values)


def cell(row: Mapping[str, str], key: str, style: str) -> str:
    """Returns what a table prints of a CSV's cell.

    Args:
        row: of the CSV; an interval's ends stand beside `key` as <key>_low and <key>_high, of "value" as low and high.
        key: the column.
        style: text | words (no underscores; a model's name) | short (cut) | yes (or no) | count | times | score |
            score2 | interval | interval2; 2: two decimals instead of three.
    """
    value = row.get(key) or ""
    if not value:
        return UNKNOWN
    if style in ("text", "words"):
        return MODEL_NAMES.get(value, value.replace("_", " ")) if style == "words" else value
    if style == "yes":
        return {"True": "yes", "False": "no"}.get(value, value)
    if style == "short":
        return value if len(value) <= LONGEST_CELL else value[: LONGEST_CELL - 1] + "…"
    decimals = {"count": 0, "times": 1}.get(style, 2 if style.endswith("2") else 3)
    beside = "" if key == "value" else f"{key}_"
    ends = [row.get(f"{beside}{end}") or "" for end in ("low", "high")] if style.startswith("interval") else [""]
    try:
        words = _rounded(value, decimals)
        return f"{words} ({_rounded(ends[0], decimals)} to {_rounded(ends[1], decimals)})" if all(ends) else words
    except ValueError:  # "<10", a small count that is hidden
        return value


def _rounded(value: str, decimals: int) -> str:
    return f"{round(float(value), decimals) + 0.0:,.{decimals}f}"


def _source(data: Mapping[str, Any]) -> dict[str, str]:
    sizes = ", ".join(f"{data[split]:,} {split}" for split in ("train", "validation", "test"))
    kept = {name: str(data[name]) for name in ("name", "title", "licence", "citation", "url")}
    return {**kept, "examples": f"{sizes}; split by {data['group_unit']}"}
