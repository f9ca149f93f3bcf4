"""Several workers, as far as it goes without Ray: threads take the place of its processes (those: tests/chaos)."""

import pickle
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from tfhealth.config import ImageTraining, TrainingConfig
from tfhealth.data.dataset import Rows
from tfhealth.errors import UserError
from tfhealth.options import parser, steps
from tfhealth.run import all_, main
from tfhealth.training.record import TrainingRun
from tfhealth.tuning.grid import search_grid
from tfhealth.tuning.search import search
from tfhealth.tuning.spaces import sample_config
from tfhealth.tuning.workers import Workers, cores_each

DEFAULTS = ImageTraining(epochs=1)


def made_up_run(name, config, *_):
    """A run whose loss is lowest at dropout 0.3; trials that were given out earlier take longer."""
    number = int(name.split("_")[1]) if name.startswith("trial") else 0
    time.sleep(0.02 * (3 - number % 4))
    loss = 0.5 + abs(config.dropout - 0.3)
    names = ("accuracy", "balanced_accuracy", "log_loss", "f1_macro")
    metrics = {f"{split}_{key}": loss for split in ("train", "validation") for key in names}
    return TrainingRun(name, asdict(config), 0, {"val_loss": [loss]}, metrics, Path("model.keras"), 1.0, {}, 1, 1)


def run_search(folder, train_trial=made_up_run, pool=None):
    sample = partial(sample_config, base=DEFAULTS, towards="more")
    before = made_up_run("defaults", DEFAULTS)
    settings = {"max_trials": 8, "seed": 0, "directory": folder / "search"}
    return search(DEFAULTS, before, sample, train_trial, **settings, pool=pool)


def run_grid(folder, train_one=made_up_run, pool=None):
    return search_grid(TrainingConfig(epochs=1), (0.1, 0.3, 0.5), (0.0, 1e-4), train_one, folder / "grid", pool=pool)


@pytest.mark.parametrize(
    ("cores", "workers", "share"),
    [([8], 1, 8), ([8], 3, 2), ([2], 2, 1), ([8, 4], 2, 4), ([8, 4], 3, 4), ([8, 8], 2, 8)],
)
def test_each_worker_gets_the_largest_share_of_cores_that_fits_its_machine(cores, workers, share):
    assert cores_each(cores, workers) == share


def test_more_workers_than_cores_are_refused_with_the_number_that_fits():
    with pytest.raises(UserError, match="ask for 6 or less"):
        cores_each([2, 4], 7)


@pytest.mark.parametrize("run", [run_search, run_grid])
def test_three_workers_find_what_one_process_finds(tmp_path, run):
    with ThreadPoolExecutor(3) as pool:
        found = run(tmp_path / "three", pool=pool)
    alone = run(tmp_path / "one")
    assert len(found.rows) in (8, 12)
    assert found == alone


def test_no_worker_waits_while_pairs_of_the_grid_are_left(tmp_path):
    together = threading.Barrier(6)

    def waits_for_the_others(name, config, stopped):
        together.wait(timeout=20)  # raises unless all six are in training at once
        return made_up_run(name, config)

    with ThreadPoolExecutor(6) as pool:
        run_grid(tmp_path, waits_for_the_others, pool)


@pytest.mark.parametrize("dies_at", [1, 3, 6])
@pytest.mark.parametrize("run", [run_search, run_grid])
def test_coordinator_that_stopped_goes_on_to_the_same_table(tmp_path, run, dies_at):
    started = []

    def dies(name, *more):
        started.append(name)
        if len(started) > dies_at:
            raise OSError("the machine is gone")
        return made_up_run(name, *more)

    with ThreadPoolExecutor(3) as pool, pytest.raises(OSError, match="gone"):
        run(tmp_path, dies, pool)
    with ThreadPoolExecutor(2) as pool:  # with another number of workers
        found = run(tmp_path, pool=pool)
    assert found.rows == run(tmp_path / "undisturbed").rows


def test_search_on_workers_goes_on_in_one_process(tmp_path):
    def dies(name, config):
        if name == "trial_05":
            raise OSError("the machine is gone")
        return made_up_run(name, config)

    with ThreadPoolExecutor(3) as pool, pytest.raises(OSError, match="gone"):
        run_search(tmp_path, dies, pool)
    assert run_search(tmp_path).rows == run_search(tmp_path / "undisturbed").rows


@pytest.mark.parametrize("run", [run_search, run_grid])
def test_trial_that_was_being_given_out_when_the_coordinator_was_killed_is_given_out_again(tmp_path, run):
    def dies(name, *more):
        if name == "trial_03":
            raise KeyboardInterrupt
        return made_up_run(name, *more)

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, dies)
    (folder,) = (path.parent for path in tmp_path.glob("*/oracle.json"))
    (given_out,) = (path for path in folder.glob("trial_*") if int(path.name.removeprefix("trial_")) == 3)
    unknown = folder / given_out.name.replace("3", "4")  # its own file is written before the oracle's
    unknown.mkdir()
    text = (given_out / "trial.json").read_text()
    (unknown / "trial.json").write_text(
        text.replace(f'"trial_id": "{given_out.name[6:]}"', f'"trial_id": "{unknown.name[6:]}"')
    )
    assert run(tmp_path).rows == run(tmp_path / "undisturbed").rows


def test_all_hands_its_workers_on_but_they_are_no_part_of_how_a_part_was_made():
    options = parser([all_]).parse_args(["all", "--workers", "2", "--cluster", "first:6379"])
    found = {step.name: step for step in steps(options, "mine")}
    for part in ("part1", "part2"):
        assert " ".join(found[part].arguments).endswith("--workers 2 --cluster first:6379")
        assert found[part].command == f"python -m tfhealth.run {part} --run mine"
    assert "--workers" not in found["part3"].arguments


def test_memory_mapped_rows_reach_another_process_as_the_name_of_their_file(tmp_path):
    np.save(tmp_path / "images.npy", np.arange(3_000_000, dtype=np.uint8).reshape(1000, 3000))
    rows = Rows(np.load(tmp_path / "images.npy", mmap_mode="r")).subset(np.array([5, 3]))
    sent = pickle.dumps(rows)
    assert len(sent) < 1000
    assert isinstance(pickle.loads(sent).array, np.memmap)
    np.testing.assert_array_equal(pickle.loads(sent).take(slice(None)), rows.take(slice(None)))
    (tmp_path / "images.npy").unlink()
    with pytest.raises(UserError, match="TFHEALTH_CACHE"):
        pickle.loads(sent)


@pytest.mark.parametrize("options", [["--workers", "2"], ["--cluster", "10.0.0.1:6379"]])
@pytest.mark.parametrize("command", ["part1", "part2", "all"])
def test_without_ray_one_line_says_what_to_install(tmp_path, monkeypatch, capsys, command, options):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert main([command, *options, "--workdir", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert 'pip install "tfhealth[cluster]"' in error
    assert not list(tmp_path.iterdir())


def test_one_worker_needs_no_ray_and_none_is_refused(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with Workers(1).pool() as pool:
        assert pool is None
    with pytest.raises(UserError, match="at least 1"):
        Workers(0)
