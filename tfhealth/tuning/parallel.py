"""One training over several GPUs of this machine, or over several processes, which Ray Train starts and restarts.

The first worker trains in the run's own folder. Its checkpoint is what all go on from after one of them has died; the
others train the same in a folder that is thrown away.
"""

import importlib.util
import os
import shutil
import tempfile
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

from tfhealth.config import TrainingConfig
from tfhealth.config_part3 import GenerativeTraining
from tfhealth.console import progress_bar
from tfhealth.errors import UserError
from tfhealth.provenance import versions
from tfhealth.training.record import TrainingRun
from tfhealth.tuning.workers import RESTARTS, enter, ray_session, resources_each, settings

# What Ray Train would do by itself: move to a folder of its own, and wait a minute for processes to start.
RAY_TRAIN = {"RAY_CHDIR_TO_TRIAL_DIR": "0", "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": "300"}

TrainIn = Callable[..., TrainingRun]  # (folder=, log_dir=) -> finished run


@dataclass(frozen=True)
class Parallel:
    """Over how many replicas a training goes, which all do their share of each step.

    Attributes:
        count: replicas; None or 1: this process alone.
        address: of a running Ray cluster, "HOST:PORT"; None: this machine, with a GPU each if it has as many.

    Raises:
        UserError: `count` is below 1.
    """

    count: int | None = None
    address: str | None = None

    def __post_init__(self):
        if self.count is not None and self.count < 1:
            raise UserError(f"--data-parallel {self.count}: at least 1 has to train")

    @property
    def spreads(self) -> bool:
        return (self.count or 1) > 1

    def check(self, *configs: TrainingConfig | GenerativeTraining) -> None:
        """Raises UserError if trainings with these settings cannot be spread; to be called before any of them."""
        from tfhealth.training.replicas import check_divides

        for config in configs:
            check_divides(self.count or 1, config.batch_size)
        if self._needs_ray and importlib.util.find_spec("ray") is None:
            raise UserError('--data-parallel needs Ray: pip install "tfhealth[cluster]" (or "ray[train,tune]")')

    def train(self, train_in: TrainIn, name: str, epochs: int, *, folder: Path, log_dir: Path) -> TrainingRun:
        """Returns the finished run in `folder`, training it first, or what is left of it, if need be.

        Args:
            train_in: trains in one process, given `folder` and `log_dir`; can be pickled.
            name: shown to the user.

        Raises:
            UserError: a worker died again and again, or found what the user has to mend.
        """
        places = {"folder": folder, "log_dir": log_dir}
        if not self.spreads or (folder / "run.json").exists():
            return train_in(**places)
        if not self._needs_ray:
            from tfhealth.training.replicas import gpus, over_devices

            with over_devices(gpus()[: self.count]):
                return train_in(**places)
        with ThreadPoolExecutor(1) as thread, ray_session(self.count, self.address):
            ended = thread.submit(_fit, self.count, train_in, folder, log_dir)  # aside, where Ctrl-C stays ours
            _watch(ended, f"{name}, {self.count} workers", epochs, folder / "state.npz")
            _check_end(ended, name)
        return TrainingRun.load(folder, "the same command")

    @property
    def _needs_ray(self) -> bool:
        from tfhealth.training.replicas import gpus

        return self.spreads and (self.address is not None or len(gpus()) < self.count)


ALONE = Parallel()


def _fit(count: int, train_in: TrainIn, folder: Path, log_dir: Path) -> None:
    """Trains on Ray, whose own files are in `folder`, which all machines see, until it ends."""
    from ray import cloudpickle
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.tensorflow import TensorflowTrainer

    os.environ.update({name: os.environ.get(name, value) for name, value in RAY_TRAIN.items()})
    _, cores, gpus_each = resources_each(count)
    resources = {"CPU": cores, "GPU": gpus_each} if gpus_each else {"CPU": cores}
    own = (folder / "ray").absolute()
    shutil.rmtree(own, ignore_errors=True)  # of a command that was killed
    task = {
        "place": Path.cwd(),
        "versions": versions(),
        "train_in": cloudpickle.dumps(train_in),  # read when TensorFlow knows that it is one of several
        "folder": folder,
        "log_dir": log_dir,
    }
    try:
        TensorflowTrainer(
            _work,
            train_loop_config=task,
            scaling_config=ScalingConfig(
                num_workers=count,
                use_gpu=bool(gpus_each),
                resources_per_worker=resources,
                placement_strategy="SPREAD",
            ),
            run_config=RunConfig(
                name="train",
                storage_path=str(own),
                failure_config=FailureConfig(max_failures=RESTARTS, controller_failure_limit=RESTARTS),
                worker_runtime_env={"env_vars": settings(cores)},
            ),
        ).fit()
    finally:
        shutil.rmtree(own, ignore_errors=True)


def _work(task: dict) -> None:
    """Runs in every worker: trains as one process would, but for its share of each step."""
    from ray import cloudpickle
    from ray.train import get_context
    from ray.train.collective import barrier

    from tfhealth.training.replicas import over_processes

    enter(task["place"], task["versions"])
    folder, first = task["folder"], get_context().get_world_rank() == 0
    with over_processes(), tempfile.TemporaryDirectory() as elsewhere:
        train_in, own = cloudpickle.loads(task["train_in"]), folder if first else Path(elsewhere)
        finished = (folder / "run.json").exists()
        if not first and (folder / "state.npz").exists():
            shutil.copyfile(folder / "state.npz", own / "state.npz")
        barrier()  # until all have seen the same
        if not finished:
            train_in(folder=own, log_dir=task["log_dir"] if first else own / "logs")


def _watch(ended: Future, title: str, epochs: int, state: Path) -> None:
    """Shows the epochs that are done until all are."""
    from tfhealth.training.checkpoint import epochs_done

    with progress_bar(title, epochs) as bar:
        shown = 0
        while not wait([ended], timeout=1).done:
            done = epochs_done(state)
            bar.advance(done - shown)
            shown = done
        if ended.exception() is None:
            bar.advance(epochs - shown)


def _check_end(ended: Future, name: str) -> None:
    from ray.train import TrainingFailedError

    error = ended.exception()
    if error is None:
        return
    if not isinstance(error, TrainingFailedError):
        raise error
    causes = [getattr(cause, "_base_exc", cause) for cause in getattr(error, "worker_failures", {}).values()]
    deaths = [cause for cause in (causes or [error]) if type(cause).__module__.startswith("ray.")]
    if not deaths:  # it is the training itself that fails
        raise next((cause for cause in causes if isinstance(cause, UserError)), causes[0]) from None
    raise UserError(
        f"the workers that train {name} died {RESTARTS + 1} times ({type(deaths[0]).__name__}; out of memory?): the "
        "same command goes on from there; on more machines each has more memory"
    ) from error
