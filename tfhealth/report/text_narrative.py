"""Part 1's written analysis, composed from findings: why the Transformer out- or underperformed the LSTM.

Only what was measured is said; what it suggests is called consistent with it, never its cause.
"""

from collections.abc import Mapping
from math import isfinite
from typing import Any

import numpy as np

MAX_WORDS = 250
LONGEST_TITLE, LONGEST_LABEL = 8, 4  # words; a longer one is cut
DISPENSABLE = ("cost", "training", "macro", "pretrained")  # sentences left out, in this order, of too long a text
GRADIENTS_OF = {"rnn": "RNN", "lstm": "LSTM", "transformer": "Transformer"}
UNDEFINED = "undefined"
SIGNIFICANT = 0.05  # McNemar's p below it: the two models differ
FADED = -3.0  # log10 of the gradient at the first over that at the last step: a thousandfold. Attention spread evenly
# over some hundred steps gives each of them a hundredth of the gradient, which is not fading with distance.
NEAR, FAR = 0.8, 1.1  # mean attention distance over that of attention spread evenly
ALIKE = 0.02  # gaps that differ by less are called alike, smaller ones no overfitting

# The Transformer, against the LSTM, was better, worse or neither.
HEADLINES = {
    "better": "{transformer} outperformed {lstm}",
    "worse": "{transformer} underperformed {lstm}",
    "neither": "{transformer} and {lstm} could not be told apart",
}
BASELINES = {
    "above": "above both, consistent with word choice deciding most documents",
    "below": "below both, consistent with word order and context carrying information",
    "between": "between the two, so only one of them gained on it",
    "close": "within its interval of at least one of them, so no benefit of word order can be told",
}
# Whether at the end of training (the LSTM's gradient, the Transformer's) had faded.
FADINGS = {
    (True, False): "The LSTM's signal faded a thousandfold or more{rnn}, while self-attention, one step between any "
    "two tokens, kept it: {meaning}.",
    (False, False): "Neither signal faded a thousandfold{rnn}: recurrence kept distant tokens within reach, as "
    "self-attention's direct paths did, {meaning}.",
    (True, True): "Both signals faded a thousandfold or more{rnn}, leaving little of distant tokens for either model, "
    "{meaning}.",
    (False, True): "The Transformer's signal faded a thousandfold or more, the LSTM's did not{rnn}: {meaning}.",
}
# Whether (the LSTM's, the plain RNN's) had.
RNN = {
    (True, True): ", as the plain RNN's did",
    (True, False): ", unlike the plain RNN's",
    (False, True): ", unlike the plain RNN's",
    (False, False): ", nor did the plain RNN's",
}
FADING_MEANINGS = {
    (True, False): {
        "better": "consistent with a lead on long dependencies",
        "worse": "without a gain in accuracy, consistent with nearby words deciding most documents",
        "neither": "without a gain in accuracy, consistent with nearby words deciding most documents",
    },
    (False, False): {
        "better": "so vanishing gradients offer no explanation for the Transformer's lead",
        "worse": "so those paths gave no advantage in range",
        "neither": "consistent with their similar scores",
    },
    (True, True): {
        "better": "so range offers no explanation for the Transformer's lead",
        "worse": "so range offers no explanation for the Transformer's deficit",
        "neither": "consistent with their similar scores",
    },
    (False, True): {
        "better": "range offers no explanation for the Transformer's lead",
        "worse": "consistent with the Transformer's deficit",
        "neither": "without costing it test accuracy that could be noticed",
    },
}
REACHES = {
    "near": {
        "better": "mostly local context, so long reach alone does not explain the lead",
        "worse": "mostly local context, which recurrence covers too, consistent with no benefit",
        "neither": "mostly local context, which recurrence covers too, consistent with similar scores",
    },
    "even": {
        "better": "spread much as if averaging over the document, consistent with gains from scattered evidence",
        "worse": "spread much as if averaging over the document, consistent with too few documents to learn from",
        "neither": "spread much as if averaging over the document, consistent with few dependencies being used",
    },
    "far": {
        "better": "preferring distant tokens, consistent with dependencies across sentences",
        "worse": "preferring distant tokens, which did not pay off on this data",
        "neither": "preferring distant tokens, without a benefit that could be noticed",
    },
}
OVERFITTINGS = {
    "transformer": {
        "better": "the Transformer overfitted more and led all the same",
        "worse": "the Transformer overfitted more, consistent with {train} documents being too few for it",
        "neither": "the Transformer overfitted more, without falling behind on test",
    },
    "lstm": {
        "better": "the LSTM overfitted more, consistent with its deficit on {train} documents",
        "worse": "the LSTM overfitted more and led all the same",
        "neither": "the LSTM overfitted more, without falling behind on test",
    },
    **{
        kind: {
            "better": f"{found}, so overfitting offers no explanation for the lead",
            "worse": f"{found}, so overfitting offers no explanation for the deficit",
            "neither": f"{found} on {{train}} training documents",
        }
        for kind, found in (("alike", "both overfitted alike"), ("none", "neither overfitted noticeably"))
    },
    "undefined": dict.fromkeys(HEADLINES, "which of them overfitted more is undefined"),
}


def part1_analysis(values: Mapping[str, Any]) -> str:
    """Returns the analysis, 150 to 250 words: result, baseline, gradients over time, attention, overfitting.

    Args:
        values: Part 1's findings values; every number in the text stands there, rounded to what is printed.
    """
    outcome = _outcome(values)
    sentences = {
        "result": _result(values, outcome),
        "baseline": _baseline(values),
        "pretrained": _pretrained(values),
        "gradients": _gradients(values),
        "fading": _fading(values, outcome),
        "training": _change_in_training(values),
        "attention": _attention(values, outcome),
        "overfitting": _overfitting(values, outcome),
        "macro": _macro(values, outcome),
        "cost": _cost(values),
    }
    for name in DISPENSABLE:
        if sum(len(sentence.split()) for sentence in sentences.values()) > MAX_WORDS:
            sentences[name] = ""
    return " ".join(sentence for sentence in sentences.values() if sentence)


def _outcome(values) -> str:
    lead, p = _accuracy(values, "transformer") - _accuracy(values, "lstm"), values["mcnemar"]["p_value"]
    if _number(p) == UNDEFINED or p >= SIGNIFICANT or not lead:
        return "neither"
    return "better" if lead > 0 else "worse"


def _result(values, outcome: str) -> str:
    data, mcnemar = values["data"], values["mcnemar"]
    compared = {name: values["models"][name] for name in ("transformer", "lstm")}
    labels = {name: f"the {_cut(model['label'])}" for name, model in compared.items()}
    kind = "synthetic documents" if data["synthetic"] else "documents"
    (accuracy, f1), (other_accuracy, other_f1) = (
        [_number(model["test"][score]["value"], 3) for score in ("accuracy", "f1_macro")] for model in compared.values()
    )
    return (
        f"On {_cut(data['title'].partition(':')[0], LONGEST_TITLE)} ({data['train']} training and {data['test']} test "
        f"{kind}, median {_number(data['median_words'], 0)} words, split by {_cut(data['group_unit'])}) "
        f"{HEADLINES[outcome].format(**labels)}: test accuracy {accuracy} against {other_accuracy}, macro F1 {f1} "
        f"against {other_f1}, {mcnemar['transformer_only']} documents right only with the Transformer and "
        f"{mcnemar['lstm_only']} only with the LSTM (McNemar's p {_p_value(mcnemar['p_value'])})."
    )


def _baseline(values) -> str:
    baseline = values["models"]["tfidf"]
    score, both = baseline["test"]["accuracy"], [_accuracy(values, name) for name in ("lstm", "transformer")]
    outside = "above" if score["low"] > max(both) else "below" if score["high"] < min(both) else None
    inside = "between" if min(both) < score["low"] and score["high"] < max(both) else "close"
    return (
        f"The baseline ({_cut(baseline['label'])}), blind to long-range word order, scored "
        f"{_number(score['value'], 3)}, {BASELINES[outside or inside]}."
    )


def _pretrained(values) -> str:
    if "pretrained" not in values["models"]:
        return ""
    score, label = values["models"]["pretrained"]["test"]["accuracy"], values["models"]["pretrained"]["label"]
    clear = score["low"] > max(_accuracy(values, name) for name in ("lstm", "transformer"))
    meaning = "above both, consistent with too few documents for learning" if clear else "no clear gain over learning"
    return (
        f"The {_cut(label, LONGEST_TITLE)}, which has read other texts before, scored {_number(score['value'], 3)}, "
        f"{meaning} from scratch."
    )


def _gradients(values) -> str:
    found = [
        f"{_log10(values['vanishing'][name]['start'])} and {_log10(values['vanishing'][name]['end'])} ({label})"
        for name, label in GRADIENTS_OF.items()
        if name in values["vanishing"]
    ]
    return (
        f"In last-state classifiers over {values['vanishing_steps']} steps, the log10 of first-step over last-step "
        f"gradient was, at the start and end of training, {', '.join(found)}."
    )


def _fading(values, outcome: str) -> str:
    ends = {name: _faded(stages["end"]) for name, stages in values["vanishing"].items()}
    key = ends["lstm"], ends["transformer"]
    if None in key:
        return "A ratio that is undefined leaves open whether signals from distant tokens faded."
    rnn = RNN.get((ends["lstm"], ends.get("rnn")), "")
    return FADINGS[key].format(rnn=rnn, meaning=FADING_MEANINGS[key][outcome])


def _change_in_training(values) -> str:
    start, end = (_faded(values["vanishing"]["lstm"][stage]) for stage in ("start", "end"))
    if None in (start, end) or start == end:
        return ""
    return f"Training brought distant tokens {'within' if start else 'out of'} the LSTM's reach."


def _attention(values, outcome: str) -> str:
    found = values["attention"]
    mean, evenly = found["mean_distance"], found["uniform_mean_distance"]
    if _number(mean) == UNDEFINED or _number(evenly) == UNDEFINED:
        return "How far attention reached is undefined."
    reach = "near" if mean < NEAR * evenly else "even" if mean <= FAR * evenly else "far"
    return (
        f"Attention reached {_number(mean, 1)} tokens on average ({_number(evenly, 1)} if spread evenly; median "
        f"{_number(found['median_distance'], 0)}), {_number(found['far_share'])} of it further than "
        f"{found['far_distance']} tokens: {REACHES[reach][outcome]}."
    )


def _overfitting(values, outcome: str) -> str:
    lstm, transformer = (values["models"][name] for name in ("lstm", "transformer"))
    more = transformer["overfitting"] - lstm["overfitting"]
    if not isfinite(more):
        kind = "undefined"
    elif max(transformer["overfitting"], lstm["overfitting"]) < ALIKE:
        kind = "none"
    else:
        kind = "alike" if abs(more) < ALIKE else "transformer" if more > 0 else "lstm"
    return (
        f"Training minus validation accuracy was {_gap(lstm)} for the LSTM and {_gap(transformer)} for the "
        f"Transformer, after {values['grid']['trials']} grid trials and {len(values['grid']['finalists'])} finalists: "
        f"{OVERFITTINGS[kind][outcome].format(train=values['data']['train'])}."
    )


def _macro(values, outcome: str) -> str:
    f1, other = (values["models"][name]["test"]["f1_macro"]["value"] for name in ("transformer", "lstm"))
    if (outcome == "better" and f1 < other) or (outcome == "worse" and f1 > other):
        return "Macro F1, which counts rare classes as much as frequent ones, points the other way."
    return ""


def _cost(values) -> str:
    weights, other_weights = (values["models"][name]["parameters"] for name in ("transformer", "lstm"))
    seconds, other_seconds = (_number(values["models"][name]["seconds"], 0) for name in ("transformer", "lstm"))
    return (
        f"The Transformer has {weights} parameters and trained for {seconds} seconds, the LSTM {other_weights} and "
        f"{other_seconds}."
    )


def _accuracy(values, name: str) -> float:
    return values["models"][name]["test"]["accuracy"]["value"]


def _gap(model) -> str:
    l2 = np.format_float_positional(model["l2"], precision=2, fractional=False, trim="-")  # never 1e-05
    return f"{_number(model['overfitting'], 3)} (dropout {model['dropout']:g}, L2 {l2})"


def _faded(found) -> bool | None:
    """Returns whether the gradient vanished on its way to the first step, None where that is undefined."""
    if found["ratio"] == 0:
        return True
    return found["log10_ratio"] < FADED if _number(found["log10_ratio"]) != UNDEFINED else None


def _log10(found) -> str:
    return "-∞" if found["ratio"] == 0 else _number(found["log10_ratio"], 1)


def _p_value(p: float | None) -> str:
    if _number(p) == UNDEFINED:
        return UNDEFINED
    if p < 0.0005:
        return "below one in a thousand"
    return f"= {p:.3f}" if f"{p:.3f}" != "0.050" else f"= {p:.5f}"  # on which side of the limit?


def _number(value: float | None, decimals: int = 2) -> str:
    return UNDEFINED if value is None or not isfinite(value) else f"{round(value, decimals) + 0.0:.{decimals}f}"


def _cut(text: str, longest: int = LONGEST_LABEL) -> str:
    parts = text.split()
    return " ".join(parts) if len(parts) <= longest else " ".join(parts[:longest]) + "…"
