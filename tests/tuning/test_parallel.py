import argparse

import pytest

from tests.training.toy_trainings import start, train_lstm
from tfhealth.errors import UserError
from tfhealth.options import parser, steps
from tfhealth.options_workers import parallel
from tfhealth.run import main, part3
from tfhealth.tuning.parallel import ALONE, Parallel


def all_(_options: argparse.Namespace) -> int:
    return 0


def test_fewer_than_one_replica_are_refused():
    with pytest.raises(UserError, match="at least 1"):
        Parallel(0)


@pytest.mark.parametrize(
    ("words", "size"), [(["part1"], 64), (["part2"], 32), (["part3"], 16), (["part3", "--model", "gan"], 16)]
)
def test_batch_that_cannot_be_divided_is_one_line_before_anything_is_trained(tmp_path, capsys, words, size):
    assert main([*words, "--data-parallel", "3", "--workdir", str(tmp_path)]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert f"--data-parallel 3: a batch of {size} examples cannot be divided by 3" in error


@pytest.mark.parametrize(("more", "told"), [([], True), (["--data-parallel", "2"], False)])
def test_cluster_that_would_have_nothing_to_do_is_told(capsys, more, told):
    options = parser([part3]).parse_args(["part3", "--cluster", "first:6379", *more])
    assert parallel(options).address == "first:6379"
    assert ("leaves the cluster alone" in " ".join(capsys.readouterr().err.split())) == told


def test_without_ray_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r'pip install "tfhealth\[cluster\]"'):
        Parallel(2).check()
    ALONE.check()


def test_alone_and_finished_trainings_need_no_ray(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    places = {"folder": tmp_path, "log_dir": tmp_path / "logs"}
    finished = ALONE.train(train_lstm, "toy", 3, **places)
    assert Parallel(2).train(train_lstm, "toy", 3, **places) == finished == start("LSTM", tmp_path)


def test_all_hands_it_on_and_it_is_part_of_how_a_part_was_made():
    options = parser([all_]).parse_args(["all", "--data-parallel", "2", "--cluster", "first:6379"])
    found = {step.name: step for step in steps(options, "mine")}
    for part in ("part1", "part2", "part3"):
        assert found[part].command == f"python -m tfhealth.run {part} --run mine --data-parallel 2"
        assert " ".join(found[part].arguments).endswith("--data-parallel 2 --cluster first:6379")
    assert "--data-parallel" not in found["part4"].arguments
