"""report.pdf, read back with pypdf."""

import re
import shutil
import subprocess
import sys
import time

import pytest
from pypdf import PdfReader

from tests.report.made_up_run import COMMANDS, save_part
from tfhealth.errors import UserError
from tfhealth.report.content import assemble
from tfhealth.report.outline import ALWAYS
from tfhealth.report.pdf import MOST_PAGES, write_pdf
from tfhealth.report.sections import SECTIONS

A4_POINTS = (595, 842)


def typeset(exports):
    path = exports / "report" / "report.pdf"
    pages = write_pdf(assemble(exports, COMMANDS), exports, path)
    reader = PdfReader(path)
    assert len(reader.pages) == pages
    return reader


def text_of(reader) -> str:
    return re.sub(r"\s+", " ", " ".join(page.extract_text() for page in reader.pages))


def test_pdf_is_a4_with_all_five_headings_in_order(exports):
    reader = typeset(exports)
    assert tuple(round(float(side)) for side in reader.pages[0].mediabox[2:]) == A4_POINTS
    text = text_of(reader)
    places = [text.rindex(f"Part {section.number}: {section.title}") for section in SECTIONS]
    assert places == sorted(places)


def test_every_table_and_figure_is_numbered_captioned_and_referred_to(exports):
    text = text_of(typeset(exports))
    for kind in ("Table", "Figure"):
        numbers = {int(number) for number in re.findall(rf"{kind} (\d+):", text)}
        assert numbers == set(range(1, len(numbers) + 1))
        assert numbers, kind
        for number in numbers:
            assert f"({kind} {number})" in text, f"{kind} {number} is not referred to"


def test_figures_that_are_owed_are_all_there_and_others_give_way_to_twelve_pages(exports):
    for section in SECTIONS:
        shutil.rmtree(exports / section.folders[0])
        save_part(exports, section, height=850)
    reader = typeset(exports)
    assert len(reader.pages) <= MOST_PAGES
    text = text_of(reader)
    owed = [plan.caption for section in SECTIONS for plan in section.figures if plan.rank == ALWAYS]
    given_way = [plan.caption for section in SECTIONS for plan in section.figures if plan.rank > ALWAYS]
    assert all(caption in text for caption in owed)
    assert not all(caption in text for caption in given_way)
    assert "would not fit on twelve pages" in text


def test_report_that_cannot_be_made_to_fit_is_refused(exports):
    for section in SECTIONS:
        shutil.rmtree(exports / section.folders[0])
        save_part(exports, section, height=1900)
    with pytest.raises(UserError, match="at most 12 are allowed"):
        typeset(exports)


def test_no_text_is_smaller_than_eight_points_or_outside_the_page(exports):
    small, outside = [], []

    def look(text, cm, tm, _font, size):
        points = size * abs(tm[3] or 1) * abs(cm[3])
        if text.strip() and points < 7.99:  # rounding
            small.append((text, points))
        if text.strip() and not 0 <= tm[4] * cm[0] + cm[4] <= A4_POINTS[0]:
            outside.append(text)

    for page in typeset(exports).pages:
        page.extract_text(visitor_text=look)
    assert not small
    assert not outside


def test_first_page_has_five_numbers_the_notice_and_the_licence(exports):
    first = re.sub(r"\s+", " ", typeset(exports).pages[0].extract_text())
    for said in ("0.800", "2.00", "3.9 x", "0.12", "not a medical device", "CC BY 4.0", "Somebody 2020"):
        assert said in first


def test_marks_of_typst_in_a_name_are_printed_as_they_are(exports):
    assert "Phantom <of> #strange *marks*" in text_of(typeset(exports))


def test_missing_part_leaves_its_section_with_the_command(exports):
    shutil.rmtree(exports / "part2")
    text = text_of(typeset(exports))
    assert "Part 2: Medical images" in text
    assert f"Make it with: {COMMANDS['part2']}" in text


def test_same_content_gives_the_same_bytes(exports):
    report = assemble(exports, COMMANDS)
    paths = [exports / "report" / name for name in ("a.pdf", "b.pdf")]
    for path in paths:
        write_pdf(report, exports, path)
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_command_takes_under_five_seconds_and_no_tensorflow(exports):
    code = (
        "import sys, tfhealth.run\n"
        f"code = tfhealth.run.main(['report', '--run', 'made_up', '--workdir', {str(exports.parents[1])!r}])\n"
        "assert not {'tensorflow', 'keras', 'matplotlib'} & set(sys.modules)\n"
        "sys.exit(code)"
    )
    start = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - start < 5
    assert done.stdout.strip() == str(exports / "report" / "report.pdf")
