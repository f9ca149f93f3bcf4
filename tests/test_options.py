import argparse

from tfhealth.options import PARTS, parser, part_commands


def all_(_options: argparse.Namespace) -> int:
    return 0


def test_determinism_reaches_every_part_of_all_and_stands_in_its_command():
    for words, wanted in (["all", "--deterministic"], True), (["all"], False):
        commands = part_commands(parser([all_]).parse_args(words), "run")
        assert {part: "--deterministic" in command.split() for part, command in commands.items()} == dict.fromkeys(
            PARTS, wanted
        )
