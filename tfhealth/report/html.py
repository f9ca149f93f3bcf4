"""The report as one HTML file: no other file, no script and no address that it loads from; readable on a phone."""

import base64
from html import escape
from importlib.resources import files
from pathlib import Path

from tfhealth.paths import write_text
from tfhealth.provenance import Record
from tfhealth.report.content import Figure, PartContent, Report, Table
from tfhealth.report.references import references

Numbers = dict[str, str]  # label -> "Figure 3"


def write_html(report: Report, exports: Path, path: Path) -> None:
    """Writes the report with every figure, also those that would not fit into the PDF.

    Args:
        report: its content.
        exports: exports/<run>, where the figures are.
        path: the HTML file.
    """
    style = (files("tfhealth.report") / "templates" / "report.css").read_text(encoding="utf-8")
    numbers = _numbers(report)
    body = [
        "<header><h1>Health AI report</h1>",
        f"<p>tfhealth, run {escape(report.run)}</p>",
        f'<p class="notice">{escape(report.notice)}</p></header>',
        _summary(report),
        *(_part(part, exports, numbers) for part in report.parts),
        _made(report),
    ]
    write_text(
        path,
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>tfhealth: {escape(report.run)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n"
        + "\n".join(body)
        + "\n</body>\n</html>\n",
    )


def _numbers(report: Report) -> Numbers:
    """Numbers tables and figures through the whole report."""
    found = {}
    for word, kind in (("Table", "tables"), ("Figure", "figures")):
        labels = [one.label for part in report.parts for one in getattr(part, kind)]
        found |= {label: f"{word} {number}" for number, label in enumerate(labels, 1)}
    return found


def _summary(report: Report) -> str:
    cards = "\n".join(
        f'<li><strong>{escape(part.headline.number)}</strong><span><a href="#part{part.number}">Part {part.number}, '
        f"{escape(part.title.lower())}</a>: {escape(part.headline.what)}<br>"
        f"<small>{escape(part.missing or part.headline.beside)}</small></span></li>"
        for part in report.parts
    )
    names = ("title", "licence", "citation", "url", "examples")
    sources = _rows(
        ("Data set", "Licence", "Source", "Address", "Examples"),
        [tuple(source[name] for name in names) for source in report.sources],
    )
    caveats = "\n".join(
        f"<li>{escape(caveat)} <small>(Part {', '.join(map(str, parts))})</small></li>"
        for caveat, parts in report.caveats.items()
    )
    return (
        f'<section><h2>Summary</h2>\n<ul class="headlines">\n{cards}\n</ul>\n<h3>Data and licences</h3>\n{sources}\n'
        f"<h3>To keep in mind</h3>\n<ul>\n{caveats}\n</ul></section>"
    )


def _part(part: PartContent, exports: Path, numbers: Numbers) -> str:
    heading = f'<section id="part{part.number}"><h2>Part {part.number}: {escape(part.title)}</h2>'
    if part.missing:
        return f"{heading}\n<p>{escape(part.missing)}</p></section>"
    tags = {"heading": "h3", "paragraph": "p"}
    advice = "".join(f"<li>{escape(line)}</li>" for line in part.recommendations)
    pieces = [
        heading,
        *(f"<{tags[kind]}>{escape(words)}</{tags[kind]}>" for kind, words in part.blocks),
        _mentions(part, numbers),
        *(_table(table, numbers) for table in part.tables),
        f"<h3>Recommendations</h3>\n<ol>{advice}</ol>" if advice else "",
        *(_figure(figure, exports, numbers) for figure in part.figures),
        "</section>",
    ]
    return "\n".join(piece for piece in pieces if piece)


def _mentions(part: PartContent, numbers: Numbers) -> str:
    named = [
        f'{escape(one.mention)} (<a href="#{one.label}">{numbers[one.label]}</a>)'
        for one in (*part.tables, *part.figures)
    ]
    return f"<p>This part shows {'; '.join(named)}.</p>" if named else ""


def _table(table: Table, numbers: Numbers) -> str:
    caption = f"{numbers[table.label]}: {table.caption}"
    return _rows(table.headings, table.rows, caption, table.label, table.left)


def _rows(headings, rows, caption: str = "", label: str = "", left: tuple[bool, ...] = ()) -> str:
    """Returns a table that scrolls sideways by itself where the screen is narrow."""
    side = ["" if not left or words else ' class="number"' for words in left or headings]
    head = "".join(f'<th scope="col"{s}>{escape(cell)}</th>' for s, cell in zip(side, headings, strict=True))
    lines = "\n".join(
        "<tr>" + "".join(f"<td{s}>{escape(cell)}</td>" for s, cell in zip(side, row, strict=True)) + "</tr>"
        for row in rows
    )
    name = f' id="{label}"' if label else ""
    told = f"<caption>{escape(caption)}</caption>" if caption else ""
    return (
        f'<div class="wide" tabindex="0"><table{name}>{told}<thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{lines}\n</tbody></table></div>"
    )


def _figure(figure: Figure, exports: Path, numbers: Numbers) -> str:
    picture = base64.b64encode((exports / figure.path).read_bytes()).decode("ascii")
    return (
        f'<figure id="{figure.label}"><img loading="lazy" alt="{escape(figure.caption)}" '
        f'src="data:image/png;base64,{picture}">\n'
        f"<figcaption>{numbers[figure.label]}: {escape(figure.caption)}</figcaption></figure>"
    )


def _made(report: Report) -> str:
    records = [(part.number, part.record) for part in report.parts if part.record]
    rows = [
        (str(number), one.command, str(one.seed), f"{one.seconds / 60:.1f}", _memory(one)) for number, one in records
    ]
    made = "<p>No record of the commands stands in this run: it was made before there were records.</p>"
    if records:
        last = records[-1][1]
        versions = ", ".join(f"{name} {number}" for name, number in last.versions.items())
        made = (
            _rows(("Part", "Command", "Seed", "Run time (min)", "Memory (MB)"), rows)
            + f"<p>Machine: {escape(', '.join(last.machine.values()))}. Versions: {escape(versions)}.</p>"
        )
    cited = "".join(f"<li>{escape(one)}</li>" for one in references(report))
    return f"<section><h2>How it was made</h2>\n{made}\n<h3>References</h3>\n<ul>{cited}</ul></section>"


def _memory(record: Record) -> str:
    return "-" if record.peak_memory_mb is None else f"{record.peak_memory_mb:.0f}"
