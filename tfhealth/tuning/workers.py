"""Trainings side by side: Ray starts the processes, gives each its share of the cores, and replaces those that die.

Whoever hands out trainings sees a `concurrent.futures.Executor`. The command's own process is the coordinator: it
keeps KerasTuner's oracle and its state. Workers train into the run's folders, which all machines have to share.
"""

import importlib.util
import logging
import os
import socket
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tfhealth.console import progress_bar
from tfhealth.errors import UserError
from tfhealth.provenance import versions
from tfhealth.startup import DETERMINISTIC
from tfhealth.training.record import TrainingRun

RESTARTS = 3  # of one training whose worker died; then it is the training that kills it
SECONDS_TO_WAIT = 60  # for a cluster's cores, which another run may hold
THREADS = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
OTHER_SETTINGS = {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "1"}  # as in startup.py

TrainNamed = Callable[..., TrainingRun]  # (run name, more) -> finished run


@dataclass(frozen=True)
class Workers:
    """Where trainings go that need not wait for each other.

    Attributes:
        count: how many train at a time; None: one, and on a cluster one per GPU, or per machine if it has none.
        address: of a running Ray cluster, "HOST:PORT"; None: this machine.

    Raises:
        UserError: `count` is below 1, or Ray is needed and not installed.
    """

    count: int | None = None
    address: str | None = None

    def __post_init__(self):
        if self.count is not None and self.count < 1:
            raise UserError(f"--workers {self.count}: at least 1 has to train")
        if self._needs_ray and importlib.util.find_spec("ray") is None:
            raise UserError('--workers and --cluster need Ray: pip install "tfhealth[cluster]" (or "ray[train,tune]")')

    @property
    def _needs_ray(self) -> bool:
        return self.address is not None or (self.count or 1) > 1

    @contextmanager
    def pool(self) -> Iterator[Executor | None]:
        """Yields what trains side by side until the block ends, however it ends; None: train in this process.

        Raises:
            UserError: the cluster cannot be reached, or has not as many cores or GPUs.
        """
        if not self._needs_ray:
            yield None
            return
        with ray_session(self.count, self.address):
            yield RayPool(self.count)


class RayPool(Executor):
    """Runs functions in Ray's worker processes: each has the same share of the cores, and a GPU where there are any."""

    def __init__(self, count: int | None):
        import ray
        from ray.util.placement_group import placement_group
        from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

        count, share, gpus = resources_each(count)
        places = placement_group([{"CPU": share, **({"GPU": 1} if gpus else {})}] * count, strategy="SPREAD")
        if not places.wait(SECONDS_TO_WAIT):
            raise UserError(f"the cluster has {count} times {share} cores, but others use them: wait, or ask for fewer")
        self._remote = ray.remote(_train_here)
        self._settings = {
            "num_cpus": share,
            "num_gpus": gpus,
            "scheduling_strategy": PlacementGroupSchedulingStrategy(places),
            "max_retries": RESTARTS,
            "runtime_env": {"env_vars": settings(share)},
        }
        self._sent = {}  # function -> where Ray keeps it, with the data that it carries

    def submit(self, function: TrainNamed, name: str, *more) -> Future:
        """Returns the future of function(name, *more); `name` is also what the process is called meanwhile."""
        import ray

        if function not in self._sent:
            self._sent[function] = ray.put(function)
        call = self._remote.options(name=name, **self._settings)
        task = call.remote(Path.cwd(), versions(), self._sent[function], name, *more)
        found = Future()
        task.future().add_done_callback(partial(_pass_on, found, name))
        return found


@contextmanager
def ray_session(count: int | None, address: str | None) -> Iterator[None]:
    """Starts Ray for this command alone, or joins a cluster, until the block ends, however it ends.

    Args:
        count: of workers. address: of the cluster; None: this machine.

    Raises:
        UserError: the cluster cannot be reached, or there are not as many cores.
    """
    import ray

    with tempfile.TemporaryDirectory(prefix="tfhealth-", ignore_cleanup_errors=True) as folder:
        try:
            if address is None:
                _start_ray(count, folder)
            else:
                _join_ray(address)
            yield
        finally:
            ray.shutdown()  # also ends what is still in training


def resources_each(count: int | None) -> tuple[int, int, int]:
    """Returns the number of workers, and the cores and the GPUs (1 or 0) of each.

    Args:
        count: None: one per GPU, or per machine if it has none.

    Raises:
        UserError: there are not as many GPUs, or cores.
    """
    import ray

    machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    gpus = int(sum(machine.get("GPU", 0) for machine in machines))
    count = count or gpus or len(machines)
    if 0 < gpus < count:
        raise UserError(f"{count} workers need a GPU each (GPUs: {gpus}): ask for {gpus} or less")
    return count, cores_each([int(machine.get("CPU", 0)) for machine in machines], count), int(gpus > 0)


def settings(cores: int) -> dict[str, str]:
    """Returns the environment of a worker's process: as many threads as it has cores, and what this process has."""
    threads = {name: os.environ.get(name, str(cores)) for name in THREADS}
    return threads | OTHER_SETTINGS | {DETERMINISTIC: os.environ.get(DETERMINISTIC, "0")}


def cores_each(cores: Sequence[int], workers: int) -> int:
    """Returns the largest number of cores that each of the workers can have on its machine.

    Args:
        cores: of every machine.

    Raises:
        UserError: there are more workers than cores.
    """
    for share in range(max(cores, default=0), 0, -1):
        if sum(own // share for own in cores) >= workers:
            return share
    raise UserError(f"{workers} workers need a core each (cores: {sum(cores)}): ask for {sum(cores)} or less")


def train_each(
    pool: Executor | None, train_named: TrainNamed, trainings: Sequence[tuple], title: str
) -> list[TrainingRun]:
    """Returns train_named(*training) for every training, in their order: here one by one, or on the pool."""
    if pool is None:
        return [train_named(*training) for training in trainings]
    futures = [pool.submit(train_named, *training) for training in trainings]
    with progress_bar(title, len(futures)) as bar:
        for future in as_completed(futures):
            bar.advance(1, future.result().name)
    return [future.result() for future in futures]


def _start_ray(count: int, folder: str) -> None:
    """Starts Ray for this command alone, with its sockets and logs in a private folder."""
    import ray

    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    ray.init(
        address="local",
        num_cpus=count * cores_each([usable], count),
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
        _temp_dir=f"{folder}/ray",  # Ray opens this one to all, but not the private one around it
    )


def _join_ray(address: str) -> None:
    import ray

    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=5).close()  # Ray itself would try for minutes
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, ValueError, RuntimeError, ray.exceptions.RayError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise UserError(
            f"the Ray cluster at {address} cannot be joined ({reason}): start it as docs/scaling.md says, and give "
            "RAY_AUTH_MODE and RAY_AUTH_TOKEN here as there"
        ) from None


def _train_here(folder: Path, needed: dict[str, str], train_named: TrainNamed, name: str, *more) -> TrainingRun:
    """Runs in a worker: trains in the coordinator's folder, as it would itself."""
    enter(folder, needed)
    return train_named(name, *more)


def enter(folder: Path, needed: dict[str, str]) -> None:
    """Goes to the coordinator's folder, in a worker's process.

    Raises:
        UserError: this machine has other versions, or no such folder.
    """
    os.umask(0o077)
    if (own := versions()) != needed:
        other = ", ".join(f"{key} {own.get(key)}, not {needed[key]}" for key in needed if own.get(key) != needed[key])
        raise UserError(f"{socket.gethostname()} has {other}: install the same versions on all machines")
    if not folder.is_dir():
        raise UserError(f"{socket.gethostname()} has no {folder}: start where all machines share the folder")
    os.chdir(folder)  # relative paths then mean the same as there


def _pass_on(found: Future, name: str, task: Future) -> None:
    """Hands a task's end to whoever waits for it, with the training's own error instead of Ray's."""
    from ray.exceptions import RayTaskError

    error = task.exception()
    if isinstance(error, RayTaskError):
        found.set_exception(error.cause or error)
    elif error is not None:
        found.set_exception(
            UserError(
                f"the worker that trains {name} died {RESTARTS + 1} times ({type(error).__name__}; out of memory?): "
                "the same command goes on from there; with fewer --workers each has more memory"
            )
        )
    elif not (path := task.result().model_path).exists():
        found.set_exception(
            UserError(
                f"a worker trained {name}, but {path} is not on this machine: all machines need the same --workdir, on "
                "a file system that they share"
            )
        )
    else:
        found.set_result(task.result())
