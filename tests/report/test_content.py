"""The report's content: what is read, what is checked, what is said of a missing part."""

import shutil

import pytest

from tests.report.made_up_run import COMMANDS, save_part, text_of
from tfhealth.errors import UserError
from tfhealth.report.content import assemble, cell, word_count
from tfhealth.report.outline import FigurePlan
from tfhealth.report.sections import ETHICS, SECTIONS


def test_every_part_has_its_tables_figures_headline_and_text(exports):
    report = assemble(exports, COMMANDS)
    assert [part.number for part in report.parts] == [1, 2, 3, 4, 5]
    for part, section in zip(report.parts, SECTIONS, strict=True):
        assert [figure.mention for figure in part.figures] == [plan.mention for plan in section.figures]
        assert len(part.tables) == len(section.tables)
        assert part.blocks
        assert part.headline.number != "-"


def test_labels_are_unique(exports):
    labels = [one.label for part in assemble(exports, COMMANDS).parts for one in (*part.tables, *part.figures)]
    assert len(labels) == len(set(labels))


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.command)
@pytest.mark.parametrize("beyond", [-1, 1])
def test_text_outside_its_limits_is_refused_with_its_count(exports, section, beyond):
    words = section.words[0] - 1 if beyond < 0 else section.words[1] + 1
    shutil.rmtree(exports / section.folders[0])
    save_part(exports, section, words=words)
    with pytest.raises(UserError, match=f"Part {section.number} has {words} words, asked for are {section.words[0]}"):
        assemble(exports, COMMANDS)


@pytest.mark.parametrize("end", [0, 1])
def test_text_of_exactly_the_limit_is_taken(exports, end):
    for section in SECTIONS:
        shutil.rmtree(exports / section.folders[0])
        save_part(exports, section, words=section.words[end])
    assert assemble(exports, COMMANDS)


def test_marks_of_headings_are_no_words():
    assert word_count("### Privacy\n\nTwo words") == 3
    assert word_count(text_of(400, ("Privacy", "Fairness"))) == 400


def test_missing_part_names_the_command_that_makes_it(exports):
    shutil.rmtree(exports / "part3")
    part = assemble(exports, COMMANDS).parts[2]
    assert COMMANDS["part3"] in part.missing
    assert part.headline.number == "-"
    assert not part.figures


def test_part_that_was_made_of_something_else_is_found_in_its_own_folder(exports):
    (exports / "part3").rename(exports / "part3_gan")
    path = exports / "part3_gan" / "findings.json"
    path.write_text(path.read_text().replace('"part": "part3"', '"part": "part3_gan"'))
    assert assemble(exports, COMMANDS).parts[2].folder == "part3_gan"


def test_run_without_any_part_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"no part of a run: run `python -m tfhealth\.run part1"):
        assemble(tmp_path, COMMANDS)


def test_caveat_of_several_parts_stands_once_with_their_numbers(exports):
    assert assemble(exports, COMMANDS).caveats == {"The images are synthetic.": (1, 2, 3, 4, 5)}


def test_figure_that_no_outline_names_is_shown_last(exports):
    path = exports / "part4" / "findings.json"
    path.write_text(path.read_text().replace('"figures": {', '"figures": {"new_chart": "pareto.png", '))
    figure = assemble(exports, COMMANDS).parts[3].figures[-1]
    assert figure.caption == "new chart"
    assert figure.rank > max(plan.rank for plan in SECTIONS[3].figures)


@pytest.mark.parametrize(("own", "other"), [("malignant", "one-vs-rest"), ("resnet8_width8", "int8.tflite")])
def test_rows_of_other_views_and_models_are_left_out(exports, own, other):
    path = exports / "part5" / "groups.csv"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines, lines[1].replace(own, other)]))
    assert len(assemble(exports, COMMANDS).parts[4].tables[0].rows) == 2


def test_every_part_owes_a_table_and_a_figure():
    for section in SECTIONS:
        assert section.tables
        assert all(isinstance(plan, FigurePlan) for plan in section.figures)
    assert ETHICS.words == (400, 600)


@pytest.mark.parametrize(
    ("style", "printed"),
    [
        ("score", "0.126"),
        ("score2", "0.13"),
        ("interval", "0.126 (0.100 to 0.150)"),
        ("interval2", "0.13 (0.10 to 0.15)"),
        ("times", "0.1"),
        ("count", "0"),
    ],
)
def test_cell_is_rounded_by_its_style(style, printed):
    assert cell({"x": "0.1256", "x_low": "0.1", "x_high": "0.15"}, "x", style) == printed


def test_cell_without_a_number_stays_what_it_is():
    assert cell({"x": "<10"}, "x", "interval") == "<10"
    assert cell({"x": ""}, "x", "score") == "-"
    assert cell({}, "x", "text") == "-"
    assert cell({"x": "-0.0001"}, "x", "score") == "0.000"
    assert cell({"x": "0.5", "x_low": "", "x_high": ""}, "x", "interval") == "0.500"
    assert cell({"x": "1234567"}, "x", "count") == "1,234,567"
    assert cell({"x": "a_b"}, "x", "words") == "a b"
    assert len(cell({"x": "y" * 100}, "x", "short")) == 42


def test_cell_of_a_value_has_its_interval_and_a_model_its_name():
    assert cell({"value": "0.98", "low": "0.95", "high": "0.99"}, "value", "interval") == "0.980 (0.950 to 0.990)"
    assert cell({"x": "lstm"}, "x", "words") == "LSTM"
