"""The command line: `python -m tfhealth.run part2 --image ham10000`. Heavy imports happen inside the chosen command."""

import argparse
import errno
import os
import sys

from tfhealth.errors import UserError
from tfhealth.options import (
    command_line,
    image_options,
    model_source,
    parser,
    part_commands,
    part_workspace,
    steps,
    text_options,
    workspace,
)
from tfhealth.options_workers import parallel, workers
from tfhealth.startup import start_tensorflow

BLOCKED = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EEXIST}


def main(arguments: list[str] | None = None) -> int:
    """Runs one command; returns 0, or 2 after one clear line on standard error for what the user can mend."""
    options = parser([part1, part2, part3, part4, part5, all_, report, submit, verify, data, bench]).parse_args(
        arguments
    )
    os.umask(0o077)  # what a run writes about patients is its user's alone
    try:
        return options.command(options)
    except (UserError, OSError) as error:
        if options.debug or not (isinstance(error, UserError) or error.errno in BLOCKED):
            raise
        print(f"tfhealth: {error if isinstance(error, UserError) else _blocked(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("tfhealth: interrupted; the same command goes on where this one stopped", file=sys.stderr)
        return 130


def _blocked(error: OSError) -> str:
    place = error.filename or "a file"
    return f"{place} cannot be read or written ({error.strerror}): mend that, and the same command goes on from there"


def start_part(options: argparse.Namespace) -> None:
    start_tensorflow(options.debug, options.seed if options.deterministic else None)


def part1(options: argparse.Namespace) -> int:
    spread = {"workers": workers(options), "parallel": parallel(options)}
    start_part(options)
    from tfhealth.parts import part1 as part

    with part_workspace(options, options.text) as place:
        part.run(
            place,
            text=options.text,
            options=text_options(options, text_column=options.text_column, notes_bias=options.notes_bias),
            profile=options.profile,
            seed=options.seed,
            encoder=options.encoder,
            show_text=options.show_text,
            **spread,
        )
    return 0


def part2(options: argparse.Namespace) -> int:
    spread = {"workers": workers(options), "parallel": parallel(options)}
    start_part(options)
    from tfhealth.parts import part2 as part

    with part_workspace(options, options.image) as place:
        part.run(
            place,
            image=options.image,
            options=image_options(options, phantom_bias=options.phantom_bias),
            profile=options.profile,
            seed=options.seed,
            **spread,
        )
    return 0


def part3(options: argparse.Namespace) -> int:
    over = parallel(options)
    start_part(options)
    from tfhealth.parts import part3 as part

    with part_workspace(options, options.image, part.FOLDERS[options.model]) as place:
        part.run(
            place,
            image=options.image,
            options=image_options(options, phantom_bias=options.phantom_bias),
            profile=options.profile,
            seed=options.seed,
            model=options.model,
            records=options.records,
            epsilon=options.epsilon,
            parallel=over,
        )
    return 0


def part4(options: argparse.Namespace) -> int:
    start_part(options)
    from tfhealth.parts import part4 as part

    with part_workspace(options, (source := model_source(options))["name"], part.FOLDERS[options.source]) as place:
        part.run(
            place,
            **source,
            techniques=options.techniques,
            limits={limit: getattr(options, limit) for limit in ("max_mb", "max_ms", "max_drop")},
        )
    return 0


def part5(options: argparse.Namespace) -> int:
    start_part(options)
    from tfhealth.parts import part5 as part

    with part_workspace(options, (source := model_source(options))["name"], part.FOLDERS[options.source]) as place:
        part.run(place, **source)
    return 0


def all_(options: argparse.Namespace) -> int:
    from tfhealth.parts import everything

    workers(options), parallel(options)  # what is missing for them is said once, before anything is started
    with workspace(options, f"{options.text}-{options.image}") as place:
        return everything.run(place, steps(options, place.run))


def report(options: argparse.Namespace) -> int:
    from tfhealth.parts import report as part

    with workspace(options, f"{options.text}-{options.image}") as place:
        part.run(place, commands=part_commands(options, place.run), data_dir=options.data_dir)
    return 0


def submit(options: argparse.Namespace) -> int:
    from tfhealth.parts import submit as part

    with workspace(options, f"{options.text}-{options.image}") as place:
        part.run(place, name=options.name, commands=part_commands(options, place.run), data_dir=options.data_dir)
    return 0


def verify(options: argparse.Namespace) -> int:
    from tfhealth.parts import report as part
    from tfhealth.paths import Workspace

    place = Workspace(options.workdir, options.run)
    return 1 if part.verify(place, command_line("report", options, place.run)) else 0


def data(options: argparse.Namespace) -> int:
    if (options.name or "").startswith("tfds:"):
        start_tensorflow(options.debug)
    from tfhealth.parts import data as part

    part.run(options.name, image_options(options, image_size=options.image_size), text_options(options))
    return 0


def bench(options: argparse.Namespace) -> int:
    start_tensorflow(options.debug)
    from tfhealth.parts import bench as part

    return part.run(options.workdir, only=options.only, write_baseline=options.write_baseline)


if __name__ == "__main__":
    sys.exit(main())
