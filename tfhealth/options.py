"""The options of the command line, and what they become."""

import argparse
import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tfhealth import __version__
from tfhealth.options_workers import add_parallel_options, add_worker_options

IMAGES = "phantom | ham10000 | medmnist:FLAG | npz:PATH | folder:PATH | csv:PATH | tfds:NAME"
RECORDS = "breast_cancer | ham10000 | csv:PATH"
TEXTS = "notes | icd10cm | ohsumed | sms_spam | medquad | mimic3 | csv:PATH | tfds:NAME"


def parser(commands: Sequence[Callable[[argparse.Namespace], int]]) -> argparse.ArgumentParser:
    """Returns the parser of the command line; imports nothing heavy, so that --help answers at once.

    Args:
        commands: what runs each command, a function of its name.
    """
    top = argparse.ArgumentParser(
        prog="python -m tfhealth.run",
        description="Medical text and image models, trained, compressed, audited and reported. "
        "Research software, not a medical device.",
    )
    top.add_argument("--version", action="version", version=f"tfhealth {__version__}")
    subparsers = top.add_subparsers(required=True, metavar="COMMAND")
    for command in commands:
        name = command.__name__.rstrip("_")  # `all_`: `all` is Python's
        about, groups = COMMANDS[name]
        own = subparsers.add_parser(name, help=about)
        for add_group in groups:
            add_group(own)
        own.add_argument("--debug", action="store_true", help="show tracebacks and TensorFlow's own messages")
        own.set_defaults(command=command)
    return top


def _add_run_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--profile", choices=("quick", "full"), default="quick", help="minutes, or the best result")
    command.add_argument("--seed", type=int, default=0, help="of split, weights and search (default %(default)s)")
    command.add_argument("--deterministic", action="store_true", help="the same bits each time; may be slower")
    command.add_argument("--run", help="name of the run (default: <data set>-<profile>-seed<N>)")
    command.add_argument("--workdir", type=Path, default=Path(), help="outputs go to WORKDIR/{exports,logs,tuners}/RUN")


def _add_image_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--image", default="phantom", metavar="NAME", help=f"{IMAGES} (default %(default)s)")
    command.add_argument("--phantom-bias", type=float, default=0.0, help="plant a bias by skin tone, 0 to 1 (phantom)")
    _add_source_options(command)


def _add_text_options(command: argparse.ArgumentParser) -> None:
    _add_texts(command)
    _add_encoder_options(command)
    _add_table_options(command)


def _add_encoder_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--encoder", metavar="NAME", help="train this one too: minilm | KerasHub preset | folder")
    command.add_argument("--show-text", action="store_true", help="let figures show texts that are not public")


def _add_all_data_options(command: argparse.ArgumentParser) -> None:
    """Adds both kinds of data; a csv:PATH of texts and one of images share the names of their columns."""
    _add_image_options(command)
    _add_texts(command)
    _add_encoder_options(command)


def _add_name_of_run(command: argparse.ArgumentParser) -> None:
    command.add_argument("--run", required=True, help="name of the run")
    command.add_argument("--workdir", type=Path, default=Path(), help="its outputs are in WORKDIR/exports/RUN")


def _add_author(command: argparse.ArgumentParser) -> None:
    command.add_argument("--name", required=True, metavar="LastName_FirstName", help="whose project it is")


def _add_synthesis_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--model", choices=("vae", "gan"), default="vae", help="of the images (default %(default)s)")
    command.add_argument(
        "--records", default="breast_cancer", metavar="NAME", help=f"patient records: {RECORDS} (default %(default)s)"
    )
    command.add_argument("--epsilon", metavar="E,...", help="records with differential privacy too, at each, as in 1,8")


def _add_model_options(command: argparse.ArgumentParser) -> None:
    """Adds whose model it is, and those of both kinds of data: the same that the model was made with."""
    command.add_argument(
        "--from", dest="source", choices=("part2", "part1"), default="part2", help="whose model (default %(default)s)"
    )
    _add_image_options(command)
    _add_texts(command)


def _add_compression_options(command: argparse.ArgumentParser) -> None:
    """Adds the limits and the techniques; a limit that is not given is the profile's."""
    command.add_argument("--max-mb", type=_limit, help="of the recommended file's download, gzipped")
    command.add_argument("--max-ms", type=_limit, help="of its prediction, one thread")
    command.add_argument("--max-drop", type=_limit, help="of its validation accuracy: 0.01 is one point")
    command.add_argument("--techniques", help="only these, separated by commas (default: the profile's)")


def _add_data_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("name", nargs="?", help=f"read this one: {IMAGES} | {TEXTS}")
    command.add_argument("--image-size", type=int, default=64, help="side in pixels (default %(default)s)")
    command.add_argument("--seed", type=int, default=0, help="of the split (default %(default)s)")
    _add_source_options(command)


def _add_bench_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--workdir", type=Path, default=Path(), help="results go to WORKDIR/exports/bench")
    command.add_argument("--only", metavar="NAMES", help="measure these, separated by commas (default: all)")
    command.add_argument("--write-baseline", action="store_true", help="into benchmarks/baseline.json, to compare with")


def _limit(text: str) -> float:
    value = float(text)
    if not value >= 0:  # also NaN
        raise argparse.ArgumentTypeError(f"{text} is below 0")
    return value


def _add_texts(command: argparse.ArgumentParser) -> None:
    command.add_argument("--text", default="notes", metavar="NAME", help=f"{TEXTS} (default %(default)s)")
    command.add_argument("--notes-bias", type=float, default=0.0, help="plant a bias by insurance, 0 to 1 (notes)")
    command.add_argument("--text-column", default="text", help="csv: column of texts (default %(default)s)")


def _add_source_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--on-bad", choices=("fail", "skip"), default="fail", help="what to do with unreadable images")
    command.add_argument("--image-column", default="image", help="csv: column of image paths (default %(default)s)")
    _add_table_options(command)


def _add_table_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--data-dir", type=Path, help="where data sets lie (default $TFHEALTH_DATA, ~/.cache/tfhealth)"
    )
    command.add_argument("--label-column", default="label", help="csv: column of classes (default %(default)s)")
    command.add_argument("--group-column", help="csv: column of patients or lesions, kept in one split")
    command.add_argument("--split-column", help="csv: column of train, validation or test")
    command.add_argument("--feature-columns", default="", help="csv: sensitive features, separated by commas")


PARTS = ("part1", "part2", "part3", "part4", "part5")
SYNTHESIS_FOLDERS = {"vae": "part3", "gan": "part3_gan"}  # as in parts.part3, which imports TensorFlow
OF_THIS_MACHINE = ("workdir", "data_dir", "workers", "cluster")  # no part of how a run was made
OF_EVERYTHING = (_add_run_options, _add_all_data_options, _add_synthesis_options, _add_compression_options)
# What the help says of each command, and its options.
COMMANDS = {
    "part1": (
        "medical text: LSTM against Transformer, gradients, attention",
        (_add_run_options, _add_text_options, add_worker_options),
    ),
    "part2": (
        "medical images: ResNets, bias-variance diagnosis, Grad-CAM",
        (_add_run_options, _add_image_options, add_worker_options),
    ),
    "part3": (
        "synthetic images (VAE or GAN, judged by the model of part 2) and patient records",
        (_add_run_options, _add_image_options, _add_synthesis_options, add_parallel_options),
    ),
    "part4": (
        "compression: the model of part 2 or 1, made fit for a phone",
        (_add_run_options, _add_model_options, _add_compression_options),
    ),
    "part5": (
        "fairness audit and ethics: the model of part 2 or 1, and every file of part 4",
        (_add_run_options, _add_model_options),
    ),
    "all": (
        "Parts 1 to 5 and the report, in the order of their dependencies",
        (*OF_EVERYTHING, add_worker_options),
    ),
    "report": (
        "report.pdf and report.html of a run, from what its parts found",
        OF_EVERYTHING,
    ),
    "submit": (
        "LastName_FirstName_DL_Project.zip: the code, the report and five executed notebooks",
        (_add_author, _add_run_options, _add_all_data_options),
    ),
    "verify": ("compares a run's files with its manifest.json", (_add_name_of_run,)),
    "data": ("what each data set is, its licence, and whether it is here", (_add_data_options,)),
    "bench": ("what this package costs, beside going without it, and whether that grew", (_add_bench_options,)),
}


@contextmanager
def workspace(options: argparse.Namespace, source: str) -> Iterator:
    """Yields the run's Workspace, which no other process of the same command can enter meanwhile."""
    from tfhealth.paths import Workspace, only_one

    name = options.run or f"{source.replace(':', '-').replace('/', '-')}-{options.profile}-seed{options.seed}"
    place = Workspace(options.workdir, name)
    with only_one(place, options.command.__name__):
        yield place


@contextmanager
def part_workspace(options: argparse.Namespace, source: str, folder: str | None = None) -> Iterator:
    """The same for one of the five parts, of which exports/<run>/commands keeps how it was made.

    Args:
        folder: the part's folder where it is not named like the command.
    """
    from tfhealth.provenance import recorded

    command = options.command.__name__
    with workspace(options, source) as place:
        words = command_line(command, options, place.run, OF_THIS_MACHINE)
        with recorded(place.root / "exports" / place.run, folder or command, words, options.seed):
            yield place


def arguments_for(command: str, options: argparse.Namespace, run: str, without: Sequence[str] = ()) -> list[str]:
    """Returns the arguments that give a command, of a run, those of these options that it knows and that differ from
    its defaults.

    Args:
        command: "part1".
        options: of this or of another command.
        run: the run's name, said even where it is the default's.
        without: options that are not repeated.
    """
    own = argparse.ArgumentParser()
    for add_group in COMMANDS[command][1]:
        add_group(own)
    found = [command, "--run", run]
    for name, default in vars(own.parse_args([])).items():
        value = getattr(options, name, default)
        if value == default or name in ("run", *without):
            continue
        option = "--from" if name == "source" else f"--{name.replace('_', '-')}"
        found += [option] if value is True else [option, str(value)]
    return found


def command_line(command: str, options: argparse.Namespace, run: str, without: Sequence[str] = ()) -> str:
    """Returns the same as a user types it."""
    return shlex.join(["python", "-m", "tfhealth.run", *arguments_for(command, options, run, without)])


def part_commands(options: argparse.Namespace, run: str) -> dict[str, str]:
    """Returns "part1" -> the command that makes it, for all five parts of a run."""
    return {part: command_line(part, options, run, OF_THIS_MACHINE) for part in PARTS}


def steps(options: argparse.Namespace, run: str) -> list:
    """Returns what `all` does, as parts.everything.run takes it."""
    from tfhealth.parts.everything import Step

    debug = ("--debug",) if options.debug else ()
    folders = {"part3": SYNTHESIS_FOLDERS[options.model]}
    commands = part_commands(options, run) | {"report": command_line("report", options, run, OF_THIS_MACHINE)}
    return [
        Step(name, folders.get(name, name), command, (*arguments_for(name, options, run), *debug))
        for name, command in commands.items()
    ]


def image_options(options: argparse.Namespace, **more):
    from tfhealth.data.image_source import ImageOptions

    return ImageOptions(on_bad=options.on_bad, image_column=options.image_column, **_table_options(options), **more)


def text_options(options: argparse.Namespace, **more):
    from tfhealth.data.text_source import TextOptions

    return TextOptions(**_table_options(options), **more)


def model_source(options: argparse.Namespace) -> dict:
    """Returns whose model, of which data, made how: what Parts 4 and 5 are told alike."""
    if options.source == "part2":
        name, data = options.image, image_options(options, phantom_bias=options.phantom_bias)
    else:
        name = options.text
        data = text_options(options, text_column=options.text_column, notes_bias=options.notes_bias)
    return {"source": options.source, "name": name, "options": data, "profile": options.profile, "seed": options.seed}


def _table_options(options: argparse.Namespace) -> dict:
    return {
        "data_dir": options.data_dir,
        "seed": options.seed,
        "label_column": options.label_column,
        "group_column": options.group_column,
        "split_column": options.split_column,
        "feature_columns": tuple(filter(None, options.feature_columns.split(","))),
    }
