"""Findings: everything a part found. The report says nothing that does not stand here."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tfhealth.errors import UserError
from tfhealth.paths import read_json, write_json


@dataclass(frozen=True)
class Findings:
    """What one part found, saved as findings.json.

    Attributes:
        part: "part2".
        values: nested names -> numbers and words.
        tables: name -> file name of a CSV in the same folder.
        figures: name -> file name of a PNG in the same folder.
        undefined: score -> why it has no value.
        caveats: sentences that must stand beside the numbers.
        text: the written analysis; every number in it stands in `values`.
    """

    part: str
    values: Mapping[str, Any]
    tables: Mapping[str, str] = field(default_factory=dict)
    figures: Mapping[str, str] = field(default_factory=dict)
    undefined: Mapping[str, str] = field(default_factory=dict)
    caveats: tuple[str, ...] = ()
    text: str = ""

    def save(self, folder: Path) -> None:
        write_json(folder / "findings.json", asdict(self))

    @classmethod
    def load(cls, folder: Path, made_by: str) -> "Findings":
        """Reads what `save` wrote; UserError, naming the command that makes it, if it is missing or something else."""
        plain = read_json(folder / "findings.json", made_by)
        try:
            return cls(**{**plain, "caveats": tuple(plain["caveats"])})
        except (TypeError, KeyError):
            raise UserError(f"{folder / 'findings.json'} holds no findings: delete it and run `{made_by}`") from None
