"""Bench: how long a command takes to start."""

import subprocess
import sys
from functools import partial
from pathlib import Path

from tfhealth.bench.ratio import Ratio, in_turns
from tfhealth.training.overhead import seconds_of

HELP_ROUNDS, IMPORT_ROUNDS = 9, 3
LIBRARIES = "import tensorflow, keras"
PART = "from tfhealth.startup import start_tensorflow; start_tensorflow(False); import tfhealth.parts.part2"


def measure_startup(_scratch: Path) -> list[Ratio]:
    """Returns --help against Python itself, and the import of a part against that of its two large libraries."""
    answer = _in_turns({"help": ["-m", "tfhealth.run", "--help"], "bare": ["-c", "pass"]}, HELP_ROUNDS)
    load = _in_turns({"part": ["-c", PART], "bare": ["-c", LIBRARIES]}, IMPORT_ROUNDS)
    return [
        Ratio.of("start, --help / python -c pass", "s", answer["help"], answer["bare"]),
        Ratio.of("start, import of Part 2 / of TensorFlow and Keras", "s", load["part"], load["bare"]),
    ]


def _in_turns(commands: dict[str, list[str]], rounds: int) -> dict[str, list[float]]:
    def start(arguments: list[str]) -> float:
        run = partial(subprocess.run, [sys.executable, *arguments], check=True, capture_output=True)
        return seconds_of(run)

    return in_turns({name: partial(start, arguments) for name, arguments in commands.items()}, rounds)
