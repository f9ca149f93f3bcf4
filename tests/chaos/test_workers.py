"""Workers, machines and the coordinator are killed in mid-trial; nothing is lost, and one process finds the same."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.timings import findings_without_timings

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("ray") is None, reason='Ray is not installed: pip install "tfhealth[cluster]"'),
]
RUN = """
import sys
from dataclasses import replace

from tests.test_run_part1 import TINY as TEXTS
from tfhealth import config
from tfhealth.run import main

images = config.PART2["quick"]
short = {"batch_size": 16, "resolutions": ()}
config.PART2["quick"] = replace(
    images,
    image_size=32,
    phantom_size=300,
    capacities=images.capacities[:2],
    size_fractions=(0.5, 1.0),
    study=replace(images.study, epochs=2, **short),
    search=replace(images.search, epochs=6, **short),
    final=replace(images.final, epochs=2, **short),
    trials=3,
    bootstrap_draws=30,
)
few = config.TextTraining(epochs=2, learning_rate=0.05)  # so high that the last epoch is not always the best
config.PART1["quick"] = replace(
    TEXTS,
    lstm=replace(TEXTS.lstm, training=few),
    transformer=replace(TEXTS.transformer, training=few),
    l2s=(1e-5, 1e-4),
    grid_epochs=4,
)
sys.exit(main([sys.argv[1], "--run", "killed", *sys.argv[2:]]))
"""


FAILS = """
import os
import sys

from tfhealth.errors import UserError
from tfhealth.tuning.workers import Workers, train_each

def dies(name):
    os._exit(1)

def complains(name):
    raise UserError(f"{name}: the disk is full")

with Workers(int(sys.argv[2])).pool() as pool:
    try:
        train_each(pool, globals()[sys.argv[1]], [("trial_00",)], "one")
    except UserError as error:
        print(error)
"""


def start(work: Path, *options: str, part: str = "part2") -> subprocess.Popen:
    environment = os.environ | {"TFHEALTH_CACHE": str(work.parent / "cache")}
    environment["PYTHONPATH"] = str(Path(__file__).parents[2])
    environment |= dict.fromkeys(("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"), "1")
    arguments = [sys.executable, "-c", RUN, part, "--workdir", str(work), *options]
    with (work.parent / f"{work.name}.log").open("a") as log:
        return subprocess.Popen(arguments, env=environment, stdout=log, stderr=log)


def worker_in_training(name: str, coordinator: subprocess.Popen, other_than: int | None = None) -> int:
    """Returns the id of Ray's process that trains a trial; waits for it."""
    while coordinator.poll() is None:
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = path.read_bytes().replace(b"\0", b" ").decode().strip()
            except OSError:  # it has ended
                continue
            if words == f"ray::{name}" and int(path.parent.name) != other_than:
                return int(path.parent.name)
        time.sleep(0.1)
    raise AssertionError(f"ended with {coordinator.returncode} before anyone trained {name}")


def wait_for(path: Path, process: subprocess.Popen) -> None:
    while not path.exists():
        assert process.poll() is None, f"ended with {process.returncode} before {path.name} was there"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The working folder of a run of Part 2 in one process."""
    work = tmp_path_factory.mktemp("workers") / "one"
    assert start(work).wait() == 0
    return work


def trials(work: Path) -> dict:
    """Returns the values, score and status of every trial that KerasTuner keeps."""
    found = {path.parent: json.loads(path.read_text()) for path in work.glob("tuners/killed/*/*/trial_*/trial.json")}
    return {
        str(folder.relative_to(work)): (trial["hyperparameters"]["values"], trial["score"], trial["status"])
        for folder, trial in found.items()
    }


def findings(work: Path, part: str = "part2") -> dict:
    return findings_without_timings(work / f"exports/killed/{part}/findings.json")


def test_two_workers_of_which_one_is_killed_in_mid_trial_find_what_one_process_finds(undisturbed):
    work = undisturbed.parent / "two"
    process = start(work, "--workers", "2")
    wait_for(work / "exports/killed/part2/tuning/trial_00/state.npz", process)
    killed = worker_in_training("trial_00", process)
    os.kill(killed, signal.SIGKILL)
    worker_in_training("trial_00", process, other_than=killed)  # the trial was not over, and is given out again
    assert process.wait() == 0
    assert trials(work) == trials(undisturbed)
    assert findings(work) == findings(undisturbed)


def test_coordinator_that_is_killed_or_interrupted_goes_on_to_the_same_findings(undisturbed):
    work = undisturbed.parent / "again"
    process = start(work, "--workers", "2")
    wait_for(work / "exports/killed/part2/study/resnet8_width4_050/state.npz", process)
    process.kill()
    process.wait()
    process = start(work, "--workers", "2")
    wait_for(work / "exports/killed/part2/tuning/trial_01/state.npz", process)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) == 130
    assert start(work, "--workers", "2").wait() == 0
    assert trials(work) == trials(undisturbed)
    assert findings(work) == findings(undisturbed)


def wait_for_port(port: int, node: subprocess.Popen) -> None:
    while node.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise AssertionError(f"Ray ended with {node.returncode}")


def ray_node(folder: Path, *options: str) -> subprocess.Popen:
    """Starts one machine of a cluster, with one core; it ends with the process that is returned."""
    arguments = [Path(sys.executable).with_name("ray"), "start", "--block", "--num-cpus", "1", *options]
    with (folder / "cluster.log").open("a") as log:
        return subprocess.Popen(arguments, stdout=log, stderr=log)


def test_trial_of_a_machine_that_dies_is_given_to_another(undisturbed, monkeypatch):
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", "0123456789abcdef" * 4)
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    work, address = undisturbed.parent / "cluster", f"127.0.0.1:{port}"
    nodes = [ray_node(work.parent, "--head", "--port", str(port), "--include-dashboard", "false")]
    try:
        wait_for_port(port, nodes[0])
        nodes.append(ray_node(work.parent, "--address", address))
        time.sleep(10)  # until it has joined
        process = start(work, "--workers", "2", "--cluster", address)
        for name in ("trial_00", "trial_01"):
            wait_for(work / f"exports/killed/part2/tuning/{name}/state.npz", process)
        nodes[1].kill()
        assert process.wait() == 0
    finally:
        for node in nodes:
            node.kill()
            node.wait()
    assert trials(work) == trials(undisturbed)
    assert findings(work) == findings(undisturbed)


def test_grids_of_part_1_on_two_workers_are_those_of_one_process(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    assert start(one, part="part1").wait() == 0
    process = start(two, "--workers", "2", part="part1")
    os.kill(worker_in_training("trial_02", process), signal.SIGKILL)
    assert process.wait() == 0
    assert len(trials(one)) == 8
    assert list(two.glob("exports/killed/part1/grid/*/*_unstopped/run.json"))  # trained on after early stopping
    assert trials(two) == trials(one)
    assert findings(two, "part1")["values"] == findings(one, "part1")["values"]  # the text says seconds


@pytest.mark.parametrize(
    ("training", "said"),
    [("dies", "the worker that trains trial_00 died 4 times"), ("complains", "trial_00: the disk is full")],
)
def test_training_that_cannot_end_is_one_line(training, said):
    done = subprocess.run([sys.executable, "-c", FAILS, training, "2"], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1].startswith(said)
