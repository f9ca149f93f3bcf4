"""The options that spread trainings over processes and machines, and what they become."""

import argparse


def add_worker_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--workers", type=int, metavar="N", help="train N trials at a time (needs Ray)")
    add_parallel_options(command)


def add_parallel_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--data-parallel", type=int, metavar="N", help="share each step of the final models among N")
    command.add_argument("--cluster", metavar="HOST:PORT", help="on a Ray cluster; see docs/scaling.md")


def workers(options: argparse.Namespace):
    """Returns who trains the trials.

    Raises:
        UserError: nobody can.
    """
    from tfhealth.tuning.workers import Workers

    return Workers(options.workers, options.cluster)


def parallel(options: argparse.Namespace):
    """Returns who trains the final models.

    Raises:
        UserError: nobody can.
    """
    from tfhealth.console import say
    from tfhealth.tuning.parallel import Parallel

    found = Parallel(options.data_parallel, options.cluster)
    if options.cluster is not None and not found.spreads and not hasattr(options, "workers"):
        say("This part has no trials to spread: without --data-parallel N it leaves the cluster alone")
    return found
