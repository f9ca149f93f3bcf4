"""`tfhealth.run all`: Parts 1 to 5 and the report, each in a process of its own, in the order of their dependencies.

A process of its own gives its memory back when it ends. What is finished is not started again; what fails stops only
what needs it.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tfhealth.console import say
from tfhealth.parts.report import exports_of
from tfhealth.paths import Workspace
from tfhealth.provenance import Record, read_record

NEEDS = {"part1": (), "part2": (), "part3": ("part2",), "part4": ("part2",), "part5": ("part2",)}
USES = {"part5": ("part4",)}  # if it is there
INTERRUPTED = 130
DONE = "done"
Start = Callable[[Sequence[str]], int]


@dataclass(frozen=True)
class Step:
    """One command. folder: where its part stands. command: as its record says it. arguments: to start it with."""

    name: str
    folder: str
    command: str
    arguments: tuple[str, ...]


def run(workspace: Workspace, steps: Sequence[Step], start: Start | None = None) -> int:
    """Runs what is not finished, then says what became of each; returns 0, or 1 if something failed.

    Args:
        steps: the parts in order, then the report.
        start: runs a command and returns its exit code; None: in a process of its own.
    """
    exports, begin, outcomes = exports_of(workspace), time.monotonic(), {}
    folders = {step.name: step.folder for step in steps}
    for number, step in enumerate(steps, 1):
        say(f"\n[{number}/{len(steps)}, {_minutes(time.monotonic() - begin)} so far] {step.name}")
        missing = [name for name in NEEDS.get(step.name, ()) if outcomes[name] != DONE]
        if missing:
            outcomes[step.name] = f"left out: it needs {', '.join(missing)}"
        elif _is_finished(exports, step, folders):
            outcomes[step.name] = DONE
        else:
            outcomes[step.name] = _outcome((start or start_process)(step.arguments))
        say(f"{step.name}: {outcomes[step.name]}")
    failed = [name for name, outcome in outcomes.items() if outcome != DONE]
    say(f"\nRun {workspace.run}, {_minutes(time.monotonic() - begin)} in this start:")
    for step in steps:
        say(f"  {step.name}: {outcomes[step.name]}{_cost(read_record(exports, step.folder))}")
    if failed:
        say(f"Not done: {', '.join(failed)}. The same command goes on from here.")
    return 1 if failed else 0


def start_process(arguments: Sequence[str]) -> int:
    """Runs a command of tfhealth in a process that ends with this one; returns its exit code, below 0 for a signal."""
    ends_with_us = _end_with_parent if sys.platform == "linux" else None
    process = subprocess.Popen([sys.executable, "-m", "tfhealth.run", *arguments], preexec_fn=ends_with_us)
    try:
        return process.wait()
    except BaseException:  # also an interrupt: it has reached the process, which leaves its last whole state
        process.terminate()
        process.wait()
        raise


def _end_with_parent() -> None:
    """In the new process: ask Linux to end it when its parent dies, even by SIGKILL; it would hold the run's lock."""
    pr_set_pdeathsig = 1  # linux/prctl.h
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGTERM)
    if os.getppid() == 1:  # it died before we asked
        os._exit(1)


def _is_finished(exports: Path, step: Step, folders: Mapping[str, str]) -> bool:
    """Whether the step ended well with this very command, after everything it reads."""
    record = read_record(exports, step.folder)
    if step.name not in NEEDS or record is None or not record.finished or record.command != step.command:
        return False
    if not (exports / step.folder / "findings.json").exists():
        return False
    reads = [read_record(exports, folders[name]) for name in (*NEEDS[step.name], *USES.get(step.name, ()))]
    return all(other.ended <= record.ended for other in reads if other is not None)


def _outcome(code: int) -> str:
    if code in (INTERRUPTED, -signal.SIGINT):
        raise KeyboardInterrupt
    if code < 0:
        return f"failed: ended by signal {-code}{' (out of memory?)' if -code == signal.SIGKILL else ''}"
    return DONE if code == 0 else f"failed with exit code {code}; see above"


def _cost(record: Record | None) -> str:
    if record is None:
        return ""
    memory = "" if record.peak_memory_mb is None else f", at most {record.peak_memory_mb:.0f} MB"
    return f" ({_minutes(record.seconds)} in {record.starts} start{'s' if record.starts > 1 else ''}{memory})"


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.1f} min"
