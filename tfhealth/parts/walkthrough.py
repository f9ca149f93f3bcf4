"""What the notebooks start from: a finished part of a run, its findings, settings, tables and figures."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pandas as pd

from tfhealth.audit.findings import Findings
from tfhealth.data.image_source import ImageOptions
from tfhealth.data.text_source import TextOptions
from tfhealth.paths import Workspace, read_json

RUN, WORKDIR = "TFHEALTH_RUN", "TFHEALTH_WORKDIR"  # environment variables
DEFAULT_RUN = "notes-phantom-quick-seed0"  # what `python -m tfhealth.run all` makes


@dataclass(frozen=True)
class FinishedPart:
    """A part of a run that was made. settings: as its settings.json says."""

    workspace: Workspace
    folder: Path
    findings: Findings
    settings: Mapping[str, Any]

    def table(self, name: str) -> pd.DataFrame:
        """Returns a table of the findings."""
        return pd.read_csv(self.folder / self.findings.tables[name])

    def figure(self, name: str) -> str:
        """Returns the file of a figure of the findings."""
        return str(self.folder / self.findings.figures[name])

    def image_options(self) -> ImageOptions:
        """Returns how the images were read; files lie in $TFHEALTH_DATA."""
        return ImageOptions(**_saved(self.settings, ImageOptions))

    def text_options(self) -> TextOptions:
        """Returns how the texts were read."""
        return TextOptions(**_saved(self.settings, TextOptions))


def open_part(*folders: str) -> FinishedPart:
    """Returns the first of these parts that the run of $TFHEALTH_RUN below $TFHEALTH_WORKDIR/exports has.

    Raises:
        UserError: it has none; names the command that makes it.
    """
    run = os.environ.get(RUN, DEFAULT_RUN)
    workspace = Workspace(Path(os.environ.get(WORKDIR, "..")), run)
    exports = workspace.root / "exports" / run
    folder = next((exports / name for name in folders if (exports / name).is_dir()), exports / folders[0])
    made_by = f"python -m tfhealth.run {folders[0]} --run {run}"
    return FinishedPart(workspace, folder, Findings.load(folder, made_by), read_json(folder / "settings.json", made_by))


def _saved(settings: Mapping[str, Any], options: type) -> dict[str, Any]:
    known = {field.name for field in fields(options)}
    saved = {name: value for name, value in settings["options"].items() if name in known}
    return saved | {"feature_columns": tuple(saved.get("feature_columns", ()))}
