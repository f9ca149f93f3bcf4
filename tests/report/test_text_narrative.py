import copy
import itertools
import re

import pytest

from tfhealth.report.text_narrative import part1_analysis

NAN = float("nan")


def score(value, half_width=0.02):
    return {"value": value, "low": value - half_width, "high": value + half_width}


def model(label, accuracy, **changes):
    return {
        "label": label,
        "parameters": 1234567,
        "seconds": 312.4,
        "test": {"accuracy": score(accuracy), "f1_macro": score(accuracy - 0.03)},
        "train_accuracy": 0.81,
        "validation_accuracy": 0.75,
        "overfitting": 0.06,
        "dropout": 0.3,
        "l2": 1e-5,
        "early_stopping": True,
    } | changes


def gradient(log10_ratio):
    return {"ratio": 10.0**log10_ratio, "log10_ratio": log10_ratio}


VALUES = {
    "data": {
        "title": "MedQuAD: a passage of a medical answer to the type of its question",
        "train": 7015,
        "validation": 999,
        "test": 2001,
        "synthetic": False,
        "group_unit": "document",
        "class_names": ["Neoplasms", "Diseases of the eye", "Mental disorders"],
        "sequence_length": 256,
        "median_words": 142.5,
    },
    "models": {
        "tfidf": model("TF-IDF with logistic regression", 0.64),
        "lstm": model("bidirectional LSTM", 0.70),
        "transformer": model("Transformer encoder", 0.74, overfitting=0.12, l2=0.0003, early_stopping=False),
    },
    "mcnemar": {"lstm_only": 140, "transformer_only": 220, "p_value": 0.0041},
    "vanishing": {
        "rnn": {"start": gradient(-25.3), "end": gradient(-11.2)},
        "lstm": {"start": gradient(-8.1), "end": gradient(-4.2)},
        "gru": {"start": gradient(-7.7), "end": gradient(-1.8)},
        "transformer": {"start": gradient(-2.1), "end": gradient(-0.04)},
    },
    "vanishing_steps": 250,
    "attention": {
        "mean_distance": 41.3,
        "uniform_mean_distance": 85.7,
        "median_distance": 20,
        "far_share": 0.384,
        "far_distance": 32,
    },
    "grid": {"trials": 36, "finalists": [{}] * 6},
}


def changed(*changes):
    values = copy.deepcopy(VALUES)
    for change in changes:
        change(values)
    return values


def text_with(*changes):
    return part1_analysis(changed(*changes))


def as_is(values):
    pass


def transformer_worse(values):
    values["models"]["transformer"]["test"] = {"accuracy": score(0.68), "f1_macro": score(0.65)}
    values["mcnemar"] |= {"lstm_only": 220, "transformer_only": 140}


def not_distinguishable(values):
    values["mcnemar"]["p_value"] = 0.31


def mcnemar_undefined(values):
    values["mcnemar"] = {"lstm_only": 0, "transformer_only": 0, "p_value": NAN}


def baseline_beats_both(values):
    values["models"]["tfidf"]["test"]["accuracy"] = score(0.80)


def baseline_between(values):
    transformer = values["models"]["transformer"]["test"]["accuracy"]["value"]
    values["models"]["tfidf"]["test"]["accuracy"] = score((0.70 + transformer) / 2, 0.001)


def baseline_close(values):
    values["models"]["tfidf"]["test"]["accuracy"] = score(0.71, 0.08)


def faded(lstm, transformer, rnn):
    def change(values):
        for name, is_faded in (("lstm", lstm), ("transformer", transformer), ("rnn", rnn)):
            values["vanishing"][name]["end"] = gradient(-33.3 if is_faded else -0.7)

    return change


def ratio_undefined(values):
    values["vanishing"]["lstm"]["end"] = {"ratio": NAN, "log10_ratio": None}


def ratio_zero(values):
    values["vanishing"]["lstm"]["end"] = {"ratio": 0.0, "log10_ratio": -float("inf")}


def attention_even(values):
    values["attention"]["mean_distance"] = 84.0


def attention_far(values):
    values["attention"]["mean_distance"] = 120.0


def attention_undefined(values):
    values["attention"] |= {"mean_distance": NAN, "median_distance": None}


def overfits(lstm, transformer):
    def change(values):
        values["models"]["lstm"]["overfitting"] = lstm
        values["models"]["transformer"]["overfitting"] = transformer

    return change


def pretrained(values):
    values["models"]["pretrained"] = model("a small BERT of two layers", 0.71)


def pretrained_clearly_better(values):
    values["models"]["pretrained"] = model("a small BERT of two layers", 0.85)


def macro_other_way(values):
    lower = min(("transformer", "lstm"), key=lambda name: values["models"][name]["test"]["accuracy"]["value"])
    values["models"][lower]["test"]["f1_macro"] = score(0.9)


def long_names(values):
    values["data"] |= {"title": " ".join(["inexhaustible"] * 60), "group_unit": " ".join(["ward"] * 20)}
    values["data"]["synthetic"] = True
    for each in values["models"].values():
        each["label"] = " ".join(["bidirectional"] * 20)
        each |= {"dropout": 0.35, "l2": 0.0, "early_stopping": False}


def short_names(values):
    values["data"] |= {"title": "SMS", "group_unit": "message"}
    for each in values["models"].values():
        each |= {"label": "model", "early_stopping": True}


OUTCOMES = [as_is, transformer_worse, not_distinguishable, mcnemar_undefined]
BASELINES = [as_is, baseline_beats_both, baseline_between, baseline_close]
FADINGS = [*itertools.starmap(faded, itertools.product((True, False), repeat=3)), ratio_undefined, ratio_zero]
REACHES = [as_is, attention_even, attention_far, attention_undefined]
OVERFITTINGS = [as_is, *itertools.starmap(overfits, [(0.2, 0.06), (0.11, 0.12), (-0.01, 0.0), (NAN, 0.1)])]
PRETRAINED = [as_is, pretrained, pretrained_clearly_better]
MACROS = [as_is, macro_other_way]
NAMES = [short_names, long_names]
COMBINATIONS = (BASELINES, FADINGS, REACHES, OVERFITTINGS, PRETRAINED, MACROS, NAMES)


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_text_keeps_its_length_whatever_the_outcome(outcome):
    lengths = [len(text_with(outcome, *changes).split()) for changes in itertools.product(*COMBINATIONS)]
    assert min(lengths) >= 150
    assert max(lengths) <= 250


def sentences(text):
    return re.sub(r"[-+]?\d+(\.\d+)?", "", text)


@pytest.mark.parametrize("kind", [BASELINES, FADINGS, REACHES, OVERFITTINGS, PRETRAINED])
@pytest.mark.parametrize("outcome", OUTCOMES[:3])
def test_another_finding_gives_other_sentences(outcome, kind):
    assert len({sentences(text_with(outcome, change)) for change in kind}) == len(kind)


@pytest.mark.parametrize("changes", [*itertools.product(BASELINES, REACHES)])
def test_another_outcome_gives_other_sentences(changes):
    assert len({sentences(text_with(*changes, outcome)) for outcome in OUTCOMES}) == len(OUTCOMES)


def numbers_in(value):
    if isinstance(value, dict):
        for item in value.values():
            yield from numbers_in(item)
    elif isinstance(value, list):
        yield float(len(value))
        for item in value:
            yield from numbers_in(item)
    elif isinstance(value, int | float):
        yield float(value)
    elif isinstance(value, str):
        yield from map(float, re.findall(r"\d+(?:\.\d+)?", value))


@pytest.mark.parametrize("change", [*itertools.chain(OUTCOMES, *COMBINATIONS)])
@pytest.mark.parametrize("l2", [0, 1e-6, 3.1623e-5, 0.001])
def test_every_number_of_the_text_stands_in_the_values(change, l2):
    values = changed(change)
    values["models"]["lstm"]["l2"] = l2
    standing = list(numbers_in(values))
    words = re.findall(r"(?<![\w.])[-+]?\d+(?:\.\d+)?(?![\w])", part1_analysis(values))
    assert len(words) > 20
    for word in words:
        decimals = len(word.partition(".")[2])
        assert any(f"{abs(value):.{decimals}f}" == word.lstrip("+-") for value in standing), word


@pytest.mark.parametrize("undecided", [not_distinguishable, mcnemar_undefined])
def test_difference_that_mcnemar_does_not_find_is_not_called_one(undecided):
    for changes in itertools.product([as_is, transformer_worse], *COMBINATIONS[:4]):
        text = text_with(*changes, undecided)
        assert "the Transformer encoder and the bidirectional LSTM could not be told apart" in text
        for word in ("performed", "lead", "led", "deficit", "better"):
            assert not re.search(rf"\b\w*{word}\b", text), (word, text)


def test_transformer_is_said_to_outperform_only_where_it_does():
    assert "Transformer encoder outperformed the bidirectional LSTM: test accuracy 0.740 against 0.700" in text_with()
    worse = text_with(transformer_worse)
    assert "Transformer encoder underperformed the bidirectional LSTM: test accuracy 0.680 against 0.700" in worse


def p_is(p):
    return lambda values: values["mcnemar"].update(p_value=p)


@pytest.mark.parametrize(
    ("p", "written"),
    [(1e-9, "p below one in a thousand"), (0.0496, "p = 0.04960"), (0.05, "p = 0.05000"), (1.0, "p = 1.000")],
)
def test_p_value_is_written_on_its_own_side_of_the_limit(p, written):
    text = text_with(p_is(p))
    assert f"(McNemar's {written})" in text
    assert ("could not be told apart" in text) == (p >= 0.05)


def test_faded_gradients_are_connected_with_a_lead_only_where_the_transformer_kept_its_own():
    kept = text_with(faded(lstm=True, transformer=False, rnn=True))
    assert "kept it: consistent with a lead on long dependencies" in kept
    assert "as the plain RNN's did" in kept
    neither = text_with(faded(lstm=False, transformer=False, rnn=True))
    assert "vanishing gradients offer no explanation for the Transformer's lead" in neither
    assert "unlike the plain RNN's" in neither


def test_ratio_of_zero_counts_as_faded_and_an_undefined_one_as_unknown():
    assert "-8.1 and -∞ (LSTM)" in text_with(ratio_zero)
    assert "signal faded a thousandfold" in text_with(ratio_zero)
    assert "leaves open whether" in text_with(ratio_undefined)


def test_models_without_a_gap_are_not_said_to_overfit():
    assert "neither overfitted noticeably" in text_with(overfits(lstm=-0.08, transformer=-0.0001))
    assert "-0.000" not in text_with(overfits(lstm=-0.08, transformer=-0.0001))


def test_macro_f1_that_points_the_other_way_is_mentioned():
    assert "points the other way" in text_with(macro_other_way, short_names)
    assert "points the other way" not in text_with(short_names)


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_wording_claims_no_proof_and_no_cause(outcome):
    for changes in itertools.product(*COMBINATIONS[:4]):
        text = text_with(outcome, *changes).lower()
        assert not re.search(r"\b(prove[nsd]?|safe\w*|guarante\w*|because|caused?|due to|nan|none|inf)\b", text)


def test_values_are_left_as_they_were():
    values = changed()
    part1_analysis(values)
    assert values == VALUES
