"""What the user sees while work goes on: one line a stage, and a progress bar with the time left."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn

CONSOLE = Console(stderr=True, highlight=False)


def say(text: str) -> None:
    """Prints one line to standard error; results go to files, paths of results to standard output."""
    CONSOLE.print(text, markup=False)


@contextmanager
def quiet() -> Iterator[None]:
    """Nothing is said until the block ends."""
    CONSOLE.quiet = True
    try:
        yield
    finally:
        CONSOLE.quiet = False


@contextmanager
def progress_bar(title: str, total: int) -> Iterator["Bar"]:
    """Yields a bar to advance; on a terminal it shows time left, elsewhere the title and one closing line."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=8),
        TaskProgressColumn(),
        TimeRemainingColumn(compact=True, elapsed_when_finished=True),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=CONSOLE, refresh_per_second=2) as progress:
        yield Bar(progress, progress.add_task(title, total=total, note=""))


class Bar:
    """A running progress bar: `advance(steps, note)`."""

    def __init__(self, progress: Progress, task: TaskID):
        self._progress, self._task = progress, task

    def advance(self, steps: int = 1, note: str | None = None) -> None:
        self._progress.update(self._task, advance=steps, **({} if note is None else {"note": note}))
