"""How a part of a run was made: by which command, when, on what machine, with which versions, in what time."""

import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from tfhealth.errors import UserError
from tfhealth.paths import read_json, write_json

FOLDER = "commands"  # in exports/<run>
DETERMINISTIC = "--deterministic"
LIBRARIES = ("tensorflow", "keras", "keras-hub", "keras-tuner", "tensorflow-model-optimization", "ai-edge-litert")
LIBRARIES += ("onnxruntime", "fairlearn", "scikit-learn", "numpy", "matplotlib", "typst")


@dataclass(frozen=True)
class Record:
    """One command of a run.

    Attributes:
        command: as it can be given again; without the folders of this machine.
        seconds: wall time of all its starts, those that ended with an error too; a killed one left none.
        peak_memory_mb: the most this process ever held; None where the system does not say.
        ended: seconds since 1970.
        finished: whether the last start got to its end.
    """

    command: str
    seed: int
    seconds: float
    starts: int
    peak_memory_mb: float | None
    ended: float
    finished: bool
    machine: dict[str, str]
    versions: dict[str, str]


def read_record(exports: Path, part: str) -> Record | None:
    """Returns the record of a part's folder, None where it has none (parts made before there were records)."""
    path = exports / FOLDER / f"{part}.json"
    return Record(**read_json(path, "the same command")) if path.exists() else None


@contextmanager
def recorded(exports: Path, part: str, command: str, seed: int) -> Iterator[None]:
    """Leaves the record of a command in exports/<run>/commands/<part>.json when the block ends, however.

    Raises:
        UserError: the command is to be deterministic, and the part was begun without that.
    """
    earlier, start, finished = read_record(exports, part), time.monotonic(), False
    if earlier and DETERMINISTIC in command.split() and DETERMINISTIC not in earlier.command.split():
        raise UserError(f"{exports / part} was begun without {DETERMINISTIC}: give this run another name with --run")
    try:
        yield
        finished = True
    finally:
        record = Record(
            command,
            seed,
            round(time.monotonic() - start + (earlier.seconds if earlier else 0), 1),
            1 + (earlier.starts if earlier else 0),
            _peak_memory_mb(),
            time.time(),
            finished,
            machine(),
            versions(),
        )
        if finished or exports.exists():  # a command that was refused leaves nothing
            write_json(exports / FOLDER / f"{part}.json", asdict(record))


def machine() -> dict[str, str]:
    """Returns in words the processor, how many cores this process may use, memory and system, but no machine's name."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    found = {
        "processor": _processor(),
        "cores": f"{usable} core{'s' * (usable != 1)}",
        "system": f"{platform.system()} {platform.machine()}",
    }
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        found["memory"] = f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2**30:.0f} GB of memory"
    return {**found, "python": f"Python {platform.python_version()}"}


def versions() -> dict[str, str]:
    """Returns the version of tfhealth and of the libraries that numbers depend on; those that are missing, without."""
    found = {}
    for library in ("tfhealth", *LIBRARIES):
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            continue
    return found


def has_int8_dot_products() -> bool | None:
    """Returns whether the processor sums products of 8-bit numbers in one instruction; None where nothing says so.

    Without them (x86: VNNI, Arm: the dot product extension) int8 models are hardly faster than float32 ones.
    """
    found = _about_processor("flags") or _about_processor("Features")  # x86, Arm
    return None if found is None else bool({"avx512_vnni", "avx_vnni", "asimddp"} & set(found.split()))


def _processor() -> str:
    return _about_processor("model name") or platform.processor() or platform.machine()


def _about_processor(key: str) -> str | None:
    """Returns what Linux says of the first processor under this key, None elsewhere."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    return next((line.partition(":")[2].strip() for line in lines if line.partition(":")[0].strip() == key), None)


def _peak_memory_mb() -> float | None:
    try:
        import resource  # not on Windows
    except ImportError:
        return None
    scale = 2**20 if platform.system() == "Darwin" else 2**10
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale, 0)
