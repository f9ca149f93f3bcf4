"""`submit`: names, what is missing, and what the ZIP holds; the notebooks are replaced by short scripts."""

import re
import shutil
import zipfile

import nbformat
import pytest

from tests.report.made_up_run import COMMANDS
from tfhealth.errors import UserError
from tfhealth.parts import submit
from tfhealth.parts.notebooks import write_notebook
from tfhealth.parts.submit import check_name
from tfhealth.paths import Workspace, write_json
from tfhealth.report.sections import SECTIONS

SCRIPT = """# %% [markdown]
# # A walkthrough

# %%
import sys

from tfhealth.parts.walkthrough import open_part

part = open_part("part2")
print(part.workspace.run, "has a score of", part.findings.values["final"]["accuracy"]["value"])
print("chatter", file=sys.stderr)

# %%
part.table("classes")
"""


@pytest.fixture
def workspace(exports):
    write_json(exports / "part2" / "settings.json", {"image": "phantom", "options": {}})
    return Workspace(exports.parents[1], exports.name)


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "source" / "notebooks" / "part2.py"
    path.parent.mkdir(parents=True)
    path.write_text(SCRIPT)
    return path


@pytest.mark.parametrize("name", ["Curie_Marie", "Müller-Lüdenscheidt_Ann-Marie", "O'Neil_Shaquille"])
def test_two_words_joined_by_an_underscore_are_a_name(name):
    check_name(name)


@pytest.mark.parametrize("name", ["Curie", "Curie Marie", "Curie_Marie_S", "_Marie", "Curie_", "../x_y", "A1_B", ""])
def test_anything_else_is_no_name(name):
    with pytest.raises(UserError, match="LastName_FirstName"):
        check_name(name)


def test_missing_part_is_told_before_any_work(workspace, exports):
    shutil.rmtree(exports / "part4")
    with pytest.raises(UserError, match=r"part 4 of run 'made_up' is missing: run `python -m tfhealth\.run part4"):
        submit.run(workspace, name="Curie_Marie", commands=COMMANDS, data_dir=None)
    assert not (exports / "report").exists()


def test_notebook_holds_its_outputs_and_no_chatter(workspace, script, tmp_path):
    path = tmp_path / "part2.ipynb"
    write_notebook(script, workspace, path, None)
    notebook = nbformat.read(path, 4)
    nbformat.validate(notebook)
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert outputs[0].text == "made_up has a score of 0.8\n"
    assert "text/html" in outputs[1].data
    assert "chatter" not in path.read_text().replace('print(\\"chatter', "")
    assert str(tmp_path) not in path.read_text()


def test_cell_that_fails_is_one_line(workspace, script, tmp_path):
    script.write_text("# %%\nraise KeyError('nothing here')\n")
    with pytest.raises(UserError, match=r"part2\.py failed: KeyError: 'nothing here'"):
        write_notebook(script, workspace, tmp_path / "part2.ipynb", None)
    assert not (tmp_path / "part2.ipynb").exists()


def test_zip_holds_code_report_and_five_notebooks_and_is_the_same_twice(workspace, monkeypatch):
    monkeypatch.setattr(submit, "write_notebook", lambda script, _workspace, path, _data: path.write_text(script.stem))
    first = submit.run(workspace, name="Curie_Marie", commands=COMMANDS, data_dir=None).read_bytes()
    path = submit.run(workspace, name="Curie_Marie", commands=COMMANDS, data_dir=None)
    assert path.name == "Curie_Marie_DL_Project.zip"
    assert path.read_bytes() == first
    with zipfile.ZipFile(path) as file:
        names = set(file.namelist())
    assert {"report.pdf", "README.md", "setup.cfg", "tfhealth/run.py", "tests/conftest.py"} <= names
    assert {f"notebooks/{section.command}.{kind}" for section in SECTIONS for kind in ("py", "ipynb")} <= names
    linted = re.search(r"ruff check (.+)", (submit.SOURCE / "Makefile").read_text())[1].split()
    assert set(linted) <= {name.partition("/")[0] for name in names}, "`make test` would fail in the ZIP"
    assert not [name for name in names if "__pycache__" in name or name.startswith((".git/", ".venv"))]
