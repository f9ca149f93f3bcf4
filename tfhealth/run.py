"""The command line: `python -m tfhealth.run part2 --image ham10000`. Heavy imports happen inside the chosen command."""

import argparse
import sys
from pathlib import Path

from tfhealth import __version__
from tfhealth.errors import UserError
from tfhealth.startup import start_tensorflow

IMAGES = "phantom | ham10000 | medmnist:FLAG | npz:PATH | folder:PATH | csv:PATH | tfds:NAME"
TEXTS = "notes | icd10cm | ohsumed | sms_spam | medquad | mimic3 | csv:PATH | tfds:NAME"


def main(arguments: list[str] | None = None) -> int:
    """Runs one command; returns 0, or 2 after one clear line on standard error for what the user can mend."""
    options = parser().parse_args(arguments)
    try:
        return options.command(options)
    except UserError as error:
        if options.debug:
            raise
        print(f"tfhealth: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("tfhealth: interrupted; the same command goes on where this one stopped", file=sys.stderr)
        return 130


def parser() -> argparse.ArgumentParser:
    """Returns the parser; imports nothing heavy, so that --help answers at once."""
    top = argparse.ArgumentParser(
        prog="python -m tfhealth.run",
        description="Medical text and image models, trained, compressed, audited and reported. "
        "Research software, not a medical device.",
    )
    top.add_argument("--version", action="version", version=f"tfhealth {__version__}")
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    part1_command = commands.add_parser("part1", help="medical text: LSTM against Transformer, gradients, attention")
    _add_run_options(part1_command)
    _add_text_options(part1_command)
    part1_command.set_defaults(command=part1)

    part2_command = commands.add_parser("part2", help="medical images: ResNets, bias-variance diagnosis, Grad-CAM")
    _add_run_options(part2_command)
    _add_image_options(part2_command)
    part2_command.set_defaults(command=part2)

    data_command = commands.add_parser("data", help="what each data set is, its licence, and whether it is here")
    data_command.add_argument("name", nargs="?", help=f"read this one: {IMAGES} | {TEXTS}")
    data_command.add_argument("--image-size", type=int, default=64, help="side in pixels (default %(default)s)")
    data_command.add_argument("--seed", type=int, default=0, help="of the split (default %(default)s)")
    data_command.add_argument("--debug", action="store_true", help="show tracebacks")
    _add_source_options(data_command)
    data_command.set_defaults(command=data)

    bench_command = commands.add_parser("bench", help="speed of the training pipeline against a bare model.fit")
    bench_command.add_argument("--workdir", type=Path, default=Path(), help="results go to WORKDIR/exports/bench")
    bench_command.add_argument("--debug", action="store_true", help="show tracebacks")
    bench_command.set_defaults(command=bench)
    return top


def _add_run_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--profile", choices=("quick", "full"), default="quick", help="minutes, or the best result")
    command.add_argument("--seed", type=int, default=0, help="of split, weights and search (default %(default)s)")
    command.add_argument("--run", help="name of the run (default: <data set>-<profile>-seed<N>)")
    command.add_argument("--workdir", type=Path, default=Path(), help="outputs go to WORKDIR/{exports,logs,tuners}/RUN")
    command.add_argument("--debug", action="store_true", help="show tracebacks and TensorFlow's own messages")


def _add_image_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--image", default="phantom", metavar="NAME", help=f"{IMAGES} (default %(default)s)")
    command.add_argument("--phantom-bias", type=float, default=0.0, help="plant a bias by skin tone, 0 to 1 (phantom)")
    _add_source_options(command)


def _add_text_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--text", default="notes", metavar="NAME", help=f"{TEXTS} (default %(default)s)")
    command.add_argument("--notes-bias", type=float, default=0.0, help="plant a bias by insurance, 0 to 1 (notes)")
    command.add_argument("--text-column", default="text", help="csv: column of texts (default %(default)s)")
    command.add_argument("--encoder", metavar="NAME", help="train this one too: minilm | KerasHub preset | folder")
    command.add_argument("--show-text", action="store_true", help="let figures show texts that are not public")
    _add_table_options(command)


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


def part1(options: argparse.Namespace) -> int:
    start_tensorflow(options.debug)
    from tfhealth.parts import part1 as part

    part.run(
        _workspace(options, options.text),
        text=options.text,
        options=_text_options(options, text_column=options.text_column, notes_bias=options.notes_bias),
        profile=options.profile,
        seed=options.seed,
        encoder=options.encoder,
        show_text=options.show_text,
    )
    return 0


def part2(options: argparse.Namespace) -> int:
    start_tensorflow(options.debug)
    from tfhealth.parts import part2 as part

    part.run(
        _workspace(options, options.image),
        image=options.image,
        options=_image_options(options, phantom_bias=options.phantom_bias),
        profile=options.profile,
        seed=options.seed,
    )
    return 0


def data(options: argparse.Namespace) -> int:
    if (options.name or "").startswith("tfds:"):
        start_tensorflow(options.debug)
    from tfhealth.parts import data as part

    part.run(options.name, _image_options(options, image_size=options.image_size), _text_options(options))
    return 0


def bench(options: argparse.Namespace) -> int:
    start_tensorflow(options.debug)
    from tfhealth.parts import bench as part

    part.run(options.workdir)
    return 0


def _workspace(options: argparse.Namespace, source: str):
    from tfhealth.paths import Workspace

    name = options.run or f"{source.replace(':', '-').replace('/', '-')}-{options.profile}-seed{options.seed}"
    return Workspace(options.workdir, name)


def _image_options(options: argparse.Namespace, **more):
    from tfhealth.data.image_source import ImageOptions

    return ImageOptions(on_bad=options.on_bad, image_column=options.image_column, **_table_options(options), **more)


def _text_options(options: argparse.Namespace, **more):
    from tfhealth.data.text_source import TextOptions

    return TextOptions(**_table_options(options), **more)


def _table_options(options: argparse.Namespace) -> dict:
    return {
        "data_dir": options.data_dir,
        "seed": options.seed,
        "label_column": options.label_column,
        "group_column": options.group_column,
        "split_column": options.split_column,
        "feature_columns": tuple(filter(None, options.feature_columns.split(","))),
    }


if __name__ == "__main__":
    sys.exit(main())
