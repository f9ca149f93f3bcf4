import pytest

from tfhealth.bench.ratio import Ratio, in_turns


def test_fastest_round_of_each_counts_so_that_a_slow_round_changes_nothing():
    row = Ratio.of("a / b", "s", [2.0, 20.0, 4.0], [1.5, 1.0, 9.0])
    assert (row.ours, row.reference, row.ratio, row.rounds) == (2.0, 1.0, 2.0, 3)


def test_spread_is_the_smallest_and_the_largest_round():
    row = Ratio.of("a / b", "s", [1.0, 2.0, 9.0], [1.0, 1.0, 1.0])
    assert (row.low, row.high) == (1.0, 9.0)


def test_works_take_turns_and_every_other_round_goes_backwards():
    order = []

    def work(name):
        return lambda: order.append(name) or len(order)

    found = in_turns({"a": work("a"), "b": work("b")}, rounds=2, warm_up=1)
    assert order == ["a", "b", "b", "a", "a", "b"]
    assert found == {"a": [4, 5], "b": [3, 6]}


def test_rounds_that_do_not_pair_are_refused():
    with pytest.raises(ValueError, match="broadcast"):
        Ratio.of("a / b", "s", [1.0, 2.0, 3.0], [1.0, 2.0])
