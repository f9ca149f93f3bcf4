"""`tfhealth.run report` and `verify`: a run's parts as one PDF and one HTML file, and its manifest."""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

from tfhealth.console import say
from tfhealth.data.checksums import image_checksums, text_checksums
from tfhealth.data.image_source import ImageOptions
from tfhealth.data.text_source import TextOptions
from tfhealth.errors import UserError
from tfhealth.paths import Workspace, read_json
from tfhealth.report.content import assemble
from tfhealth.report.html import write_html
from tfhealth.report.manifest import differences, write_manifest
from tfhealth.report.pdf import write_pdf

SOURCES = {  # the parts that read data of their own -> how their settings name them
    "part1": ("text", TextOptions, text_checksums),
    "part2": ("image", ImageOptions, image_checksums),
}


def exports_of(workspace: Workspace) -> Path:
    """Returns exports/<run>; unlike `Workspace.exports` it makes no folder."""
    return workspace.root / "exports" / workspace.run


def run(workspace: Workspace, *, commands: Mapping[str, str], data_dir: Path | None) -> Path:
    """Writes report.pdf, report.html and manifest.json and returns the PDF's path.

    Args:
        commands: "part1" -> the command that makes it.
        data_dir: where data-set files lie, for their checksums.
    """
    exports = exports_of(workspace)
    content = assemble(exports, commands)
    path = exports / "report" / "report.pdf"
    pages = write_pdf(content, exports, path)
    write_html(content, exports, path.with_suffix(".html"))
    write_manifest(exports, _data_checksums(exports, data_dir))
    missing = [f"Part {part.number}" for part in content.parts if part.missing]
    say(f"Report of {pages} pages{', without ' + ', '.join(missing) if missing else ''}; beside it report.html")
    print(path)
    return path


def verify(workspace: Workspace, made_by: str) -> int:
    """Prints each file that differs from the manifest; returns how many do."""
    exports = exports_of(workspace)
    if not exports.is_dir():
        raise UserError(f"{exports} is missing: give the name of a run below {exports.parent} with --run")
    found = differences(exports, made_by)
    for line in found:
        print(line)
    say(f"{len(found)} files differ from the manifest" if found else "All files are as the manifest says")
    return len(found)


def _data_checksums(exports: Path, data_dir: Path | None) -> dict[str, dict[str, str]]:
    found = {}
    for part, (kind, options, checksums) in SOURCES.items():
        path = exports / part / "settings.json"
        if path.exists():
            settings = read_json(path, "the same command")
            known = {field.name for field in fields(options)}
            saved = {name: value for name, value in settings["options"].items() if name in known}
            found[settings[kind].rpartition("/")[2]] = checksums(settings[kind], options(**saved, data_dir=data_dir))
    return found
