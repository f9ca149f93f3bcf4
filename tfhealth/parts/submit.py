"""`tfhealth.run submit`: the hand-in, one ZIP with the code, the report and five notebooks that hold their outputs."""

import re
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import tfhealth
from tfhealth.console import say
from tfhealth.errors import UserError
from tfhealth.parts import report
from tfhealth.parts.notebooks import write_notebook
from tfhealth.paths import Workspace, atomic_path
from tfhealth.report.sections import SECTIONS

SOURCE = Path(tfhealth.__file__).parent.parent
CODE = (  # of the source folder; what a run writes, environments and caches stay out
    "tfhealth", "tests", "notebooks", "benchmarks", "docs", ".ci", "README.md", "CHANGELOG.md", "LICENSE",
    "Makefile", "setup.cfg", "pyproject.toml", "requirements.lock", ".gitignore",
    "exports/README.md", "logs/README.md", "tuners/README.md",
)  # fmt: skip
EARLIEST = (1980, 1, 1, 0, 0, 0)  # every member's date: the same files give the same ZIP
WORD = r"[^\W\d_](?:['-]?[^\W\d_])*"  # letters of any script, with hyphens and apostrophes between them
NAME = re.compile(f"{WORD}_{WORD}")


def run(workspace: Workspace, *, name: str, commands: Mapping[str, str], data_dir: Path | None) -> Path:
    """Writes WORKDIR/<name>_DL_Project.zip and returns its path.

    Args:
        name: LastName_FirstName.
        commands: "part1" -> the command that makes it.
        data_dir: where data-set files lie.

    Raises:
        UserError: the name has another form, a part is missing, or the source folder is not here.
    """
    check_name(name)
    scripts = [SOURCE / "notebooks" / f"{section.command}.py" for section in SECTIONS]
    if not all(script.exists() for script in scripts):
        raise UserError(f"{SOURCE} is not the source folder of tfhealth: install it from there with pip install -e .")
    exports = report.exports_of(workspace)
    for section in SECTIONS:
        if not any((exports / folder / "findings.json").exists() for folder in section.folders):
            raise UserError(
                f"part {section.number} of run {workspace.run!r} is missing: run `{commands[section.command]}`"
            )
    pdf = report.run(workspace, commands=commands, data_dir=data_dir)
    path = workspace.root / f"{name}_DL_Project.zip"
    with tempfile.TemporaryDirectory() as folder:
        notebooks = [Path(folder) / f"{script.stem}.ipynb" for script in scripts]
        for script, notebook in zip(scripts, notebooks, strict=True):
            write_notebook(script, workspace, notebook, data_dir)
        members = {"report.pdf": pdf, **{f"notebooks/{notebook.name}": notebook for notebook in notebooks}}
        _write_zip(path, {**dict(_code()), **members})
    say(f"{path.stat().st_size / 1e6:.1f} MB: the code, report.pdf and {len(notebooks)} notebooks")
    print(path)
    return path


def check_name(name: str) -> None:
    """Raises UserError unless the name is two words joined by an underscore."""
    if not NAME.fullmatch(name):
        raise UserError(f"--name {name!r}: give it as LastName_FirstName, two words joined by one underscore")


def _code() -> Iterator[tuple[str, Path]]:
    """Yields name in the ZIP, path of every file of the code."""
    for top in CODE:
        place = SOURCE / top
        for path in sorted(place.rglob("*")) if place.is_dir() else [place]:
            if path.is_file() and "__pycache__" not in path.parts:
                yield path.relative_to(SOURCE).as_posix(), path


def _write_zip(path: Path, members: Mapping[str, Path]) -> None:
    with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w") as file:
        for name, source in sorted(members.items()):
            about = zipfile.ZipInfo(name, EARLIEST)
            about.external_attr = 0o644 << 16
            file.writestr(about, source.read_bytes(), zipfile.ZIP_DEFLATED)
