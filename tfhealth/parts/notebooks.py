"""The walkthrough scripts as notebooks that hold their outputs: jupytext reads them, nbclient runs them."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import jupytext
import nbformat
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

import tfhealth
from tfhealth.console import say
from tfhealth.errors import UserError
from tfhealth.parts.walkthrough import RUN, WORKDIR
from tfhealth.paths import Workspace, atomic_path

CELL_SECONDS = 900  # a cell that takes longer is taken to hang


def write_notebook(script: Path, workspace: Workspace, path: Path, data_dir: Path | None) -> None:
    """Runs a script in percent format on a finished run and writes it, with what it printed and drew, as .ipynb.

    Args:
        script: notebooks/part1.py.
        workspace: the run that it opens.
        path: the notebook.
        data_dir: where data-set files lie.

    Raises:
        UserError: a cell failed; names the script and the error.
    """
    say(f"Running {script.name}")
    notebook = jupytext.read(script)
    notebook.metadata["kernelspec"] = {"display_name": "Python 3", "language": "python", "name": "python3"}
    with tempfile.TemporaryDirectory() as home:
        # A socket in a folder of our own: over TCP, the default, others on this machine could listen.
        manager = AsyncKernelManager(kernel_name="python3", transport="ipc", ip=str(Path(home) / "kernel"))
        place = {"metadata": {"path": str(script.parent)}}
        client = NotebookClient(notebook, km=manager, timeout=CELL_SECONDS, resources=place, store_widget_state=False)
        try:
            with _environment(JUPYTER_RUNTIME_DIR=home, JUPYTER_PLATFORM_DIRS="1"):
                environment = _kernel_environment(workspace, home, data_dir)
                client.execute(env=environment, stderr=subprocess.DEVNULL, cleanup_kc=True)
        except CellExecutionError as error:
            raise UserError(f"{script.name} failed: {error.ename}: {error.evalue}") from None
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # times of day: the same run would give another file
        if "outputs" in cell:
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]  # libraries' chatter
    with atomic_path(path) as temporary:
        nbformat.write(notebook, temporary)


def _kernel_environment(workspace: Workspace, home: str, data_dir: Path | None) -> dict[str, str]:
    """The kernel's environment: this tfhealth, this run, quiet, and nothing left behind in the user's home."""
    found = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(
            filter(None, (str(Path(tfhealth.__file__).parent.parent), os.environ.get("PYTHONPATH")))
        ),
        "IPYTHONDIR": home,
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "TF_ENABLE_ONEDNN_OPTS": os.environ.get("TF_ENABLE_ONEDNN_OPTS", "1"),
        "COLUMNS": "100",
        RUN: workspace.run,
        WORKDIR: str(workspace.root.resolve()),
    }
    return found if data_dir is None else {**found, "TFHEALTH_DATA": str(data_dir.resolve())}


@contextmanager
def _environment(**values: str) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
