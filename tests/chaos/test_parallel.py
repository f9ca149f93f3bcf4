"""Two workers, started by Ray Train on this machine, take the steps of one process; one is killed in mid-training."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.training.toy_trainings import largest_difference, start, weights
from tfhealth.training.record import TrainingRun

pytest.importorskip("ray", reason='Ray is not installed: pip install "tfhealth[cluster]"')
pytestmark = pytest.mark.slow

TRAIN = """
import sys
from pathlib import Path

from tests.training.toy_trainings import TRAININGS
from tfhealth.tuning.parallel import Parallel

name, folder = sys.argv[1], Path(sys.argv[2])
Parallel(2).train(TRAININGS[name], name, 3, folder=folder, log_dir=folder / "logs")
"""
MASKS = """
import json
import os
import sys
from functools import partial
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from tests.training.toy_trainings import train_lstm
from tfhealth.training import replicas
from tfhealth.tuning.parallel import Parallel


def save_mask(shared, **places):
    with replicas.scope():
        inputs = keras.Input((50,))
        model = keras.Model(inputs, keras.layers.Dropout(0.5, seed=1)(inputs))
        model.compile("sgd")
    replicas.replicate(model)
    mask = model.distribute_strategy.run(lambda: model(tf.ones((1, 50)), training=True))
    np.save(shared / str(json.loads(os.environ["TF_CONFIG"])["task"]["index"]), mask)
    return train_lstm(**places)


if __name__ == "__main__":
    work = Path(sys.argv[1])
    Parallel(2).train(partial(save_mask, work), "masks", 3, folder=work / "run", log_dir=work / "logs")
"""

PARTS = """
import sys
from dataclasses import replace

from tests.test_run_part1 import TINY as TEXTS
from tests.test_run_part3 import TINY as SYNTHESIS, TINY_RECORDS
from tfhealth import config, config_part3
from tfhealth.run import main

images = config.PART2["quick"]
short = {"epochs": 2, "batch_size": 16, "resolutions": ()}
config.PART2["quick"] = replace(
    images,
    image_size=32,
    phantom_size=300,
    capacities=images.capacities[:1],
    size_fractions=(0.5, 1.0),
    study=replace(images.study, **short),
    search=replace(images.search, **short),
    final=replace(images.final, **short),
    trials=1,
    views=1,
    bootstrap_draws=30,
)
few = config.TextTraining(epochs=6, patience=1, learning_rate=0.05)  # so high that early stopping stops
config.PART1["quick"] = replace(
    TEXTS,
    lstm=replace(TEXTS.lstm, training=few),
    transformer=replace(TEXTS.transformer, training=few),
    dropouts=(0.1,),
    finalists=1,
)
config_part3.PART3["quick"] = replace(SYNTHESIS, seeds=1)
config_part3.TABULAR["quick"] = replace(TINY_RECORDS, seeds=1)
if __name__ == "__main__":
    for part in ("part1", "part2", "part3"):
        assert main([part, "--run", "tiny", "--workdir", sys.argv[1], "--data-parallel", "2", "--debug"]) == 0
"""

FAILS = """
import os
import sys
from pathlib import Path

from tfhealth.errors import UserError
from tfhealth.tuning.parallel import Parallel


def dies(**places):
    os._exit(1)


def complains(**places):
    raise UserError("the disk is full")


def breaks(**places):
    raise KeyError("a bug")


if __name__ == "__main__":
    work = Path(sys.argv[2])
    try:
        Parallel(2).train(globals()[sys.argv[1]], "toy", 3, folder=work / "run", log_dir=work / "logs")
    except (UserError, KeyError) as error:
        (work / "said").write_text(f"{type(error).__name__} {error}")
"""


def start_script(script: str, *arguments: str | Path, log=None) -> subprocess.Popen:
    """Starts a script over two workers of one thread each, which all import this repository."""
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "RAY_USAGE_STATS_ENABLED": "0"}
    environment |= dict.fromkeys(("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"), "1")
    return subprocess.Popen([sys.executable, "-c", script, *map(str, arguments)], env=environment, stderr=log)


def over_two_workers(name: str, folder: Path) -> TrainingRun:
    assert start_script(TRAIN, name, folder).wait() == 0
    return TrainingRun.load(folder, "never")


def workers_of_ray() -> list[int]:
    """Returns the ids of the processes that train."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().replace(b"\0", b" ").decode()
        except OSError:  # it has ended
            continue
        if words.startswith("ray::RayTrainWorker"):
            found.append(int(path.parent.name))
    return sorted(found)


@pytest.mark.parametrize("name", ["LSTM", "Transformer", "ResNet", "VAE", "GAN", "tabular VAE"])
def test_two_workers_reach_the_weights_of_one_process(name, tmp_path):
    two, one = over_two_workers(name, tmp_path / "two"), start(name, tmp_path / "one")
    assert largest_difference(one, two) < 1e-5  # float32, summed in another order
    assert two.best_epoch == one.best_epoch
    assert two.history.keys() == one.history.keys()


@pytest.mark.parametrize("victim", [0, -1])
def test_killed_worker_is_replaced_and_the_training_ends_where_it_would_have(victim, tmp_path):
    undisturbed = over_two_workers("long ResNet", tmp_path / "undisturbed")
    process = start_script(TRAIN, "long ResNet", folder := tmp_path / "killed")
    while not (folder / "state.npz").exists():
        assert process.poll() is None
        time.sleep(0.02)
    before = workers_of_ray()
    os.kill(before[victim], signal.SIGKILL)
    while not (after := workers_of_ray()) or set(after) & set(before):
        assert process.poll() is None, "it ended before it was killed"
        time.sleep(0.1)
    assert process.wait() == 0
    killed = TrainingRun.load(folder, "never")
    assert killed.history == undisturbed.history
    for first, second in zip(weights(undisturbed), weights(killed), strict=True):
        np.testing.assert_array_equal(first, second)


def test_dropout_differs_between_workers(tmp_path):
    assert start_script(MASKS, tmp_path).wait() == 0
    first, second = (np.load(tmp_path / f"{number}.npy") for number in range(2))
    assert (first != second).any()


def test_parts_train_their_final_models_over_two_workers(tmp_path, monkeypatch):
    monkeypatch.setenv("TFHEALTH_CACHE", str(tmp_path / "cache"))
    with (tmp_path / "log").open("w") as log:
        assert start_script(PARTS, tmp_path, log=log).wait() == 0
    said = (tmp_path / "log").read_text()
    for name in ("finalists/lstm/dropout_0.1", "finalists/transformer/dropout_0.1", "final", "vae", "plain"):
        assert f"{name}, 2 workers" in said
    for part in ("part1", "part2", "part3"):
        assert (tmp_path / "exports/tiny" / part / "findings.json").exists()
    assert "_unstopped, 2 workers" in said  # trained on after early stopping
    assert not list(tmp_path.glob("exports/**/ray"))


@pytest.mark.parametrize(
    ("training", "said"),
    [
        ("dies", "UserError the workers that train toy died 4 times"),
        ("complains", "UserError the disk is full"),
        ("breaks", "KeyError 'a bug'"),
    ],
)
def test_training_that_cannot_end_says_why(training, said, tmp_path):
    assert start_script(FAILS, training, tmp_path).wait() == 0
    assert (tmp_path / "said").read_text().startswith(said)


def test_interrupted_command_ends_soon_and_goes_on_when_it_is_given_again(tmp_path):
    process = start_script(TRAIN, "long ResNet", tmp_path)
    while not (tmp_path / "state.npz").exists():
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) != 0
    assert not (tmp_path / "run.json").exists(), "it was at its end: the test shows nothing"
    assert len(over_two_workers("long ResNet", tmp_path).history["loss"]) == 10
