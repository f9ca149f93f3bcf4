import pytest

from tfhealth.bench.ratio import Ratio, in_turns


def test_ratio_is_taken_within_each_round_so_that_a_slow_round_cancels_out():
    row = Ratio.of("a / b", "s", [2.0, 20.0, 4.0], [1.0, 10.0, 2.0])
    assert (row.ratio, row.low, row.high, row.rounds) == (2.0, 2.0, 2.0, 3)
    assert (row.ours, row.reference) == (4.0, 2.0)


def test_spread_is_the_smallest_and_the_largest_round():
    row = Ratio.of("a / b", "s", [1.0, 2.0, 9.0], [1.0, 1.0, 1.0])
    assert (row.low, row.ratio, row.high) == (1.0, 2.0, 9.0)


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
