"""Part 4's written explanation, composed from findings: what was most effective, under which limits, why it matters.

"Most effective" is the recommended file: the fastest that keeps all limits, the smallest of those about as fast.
"""

from collections.abc import Mapping
from typing import Any

from tfhealth.report.wording import group_name, is_known, listed, number

MAX_WORDS = 150
DISPENSABLE = ("runtimes", "plain", "groups")  # sentences left out, in this order, of too long a text
LIMITS = {"max_mb": "the size", "max_ms": "the latency", "max_drop": "the accuracy"}
WHY = (
    "Optimization matters in healthcare: a small, fast model runs on the phone at hand, so images or notes of patients "
    "need not leave it, clinics without a connection are served, and old devices suffice; but it helps nobody if "
    "errors grow unseen, so they were counted anew for every file."
)


def part4_analysis(values: Mapping[str, Any]) -> str:
    """Returns the explanation, 100 to 150 words.

    Args:
        values: Part 4's findings values; every number in the text stands there, rounded to what is printed.
    """
    sentences = {
        "source": _source(values),
        "effective": _effective(values),
        "plain": _plain(values),
        "processor": _processor(values),
        "groups": _groups(values),
        "constraints": _constraints(values),
        "runtimes": _runtimes(values),
        "why": WHY,
    }
    for name in DISPENSABLE:
        if sum(len(sentence.split()) for sentence in sentences.values()) > MAX_WORDS:
            sentences[name] = ""
    return " ".join(sentence for sentence in sentences.values() if sentence)


def best_of(values: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Returns the row of the recommended file, or else of the one nearest to the limits; None if there is no file."""
    choice = values["recommendation"]
    name = choice["name"] or choice["nearest"]
    return next((row for row in values["artifacts"] if row["name"] == name), None)


def _source(values) -> str:
    models, rows = values["models"], values["artifacts"]
    failed = sum(bool(row["failure"]) for row in rows)
    named = listed(
        [f"{model['label']} (test accuracy {number(model['test']['accuracy']['value'], 3)})" for model in models]
    )
    lost = f"; {failed} more failed, for the reasons in the table" if failed else ""
    return f"{named} became {len(rows) - failed} files{lost}."


def _effective(values) -> str:
    row, choice = best_of(values), values["recommendation"]
    if row is None:
        return "No file could be made and timed, so no technique was effective and none is recommended."
    if row["name"] == _reference(row):
        lead = "kept all limits and nothing smaller was faster" if choice["name"] else "came nearest to the limits"
        return f"No technique was effective: the uncompressed {row['name']} {lead}."
    lead = "was most effective" if choice["name"] else "came nearest, though no file kept all limits"
    return f"{row['name']} {lead}: {_gains(row)} as {_reference(row)}, test accuracy changing by {_change(row)}."


def _plain(values) -> str:
    best = best_of(values)
    if best is None:
        return ""
    name = _reference(best).replace("float32", "int8")
    row = next((row for row in values["artifacts"] if row["name"] == name), None)
    if row is None or row is best:
        return ""
    if row["failure"]:
        return "Full int8 quantization failed."
    return f"Full int8 quantization alone was {_gains(row)}, at {_signed(row['accuracy_change'])}."


def _processor(values) -> str:
    best = best_of(values)
    if best is None or best["int8_dot_products"] != 0:  # 1, or not known
        return ""
    return "This processor lacks the 8-bit dot products of most phones, with which int8 files are faster."


def _groups(values) -> str:
    best = best_of(values)
    rows = [row for row in values["subgroups"]["rows"] if best is not None and row["name"] == best["name"]]
    if not rows:
        return "No subgroup was known and large enough to compare."
    worst = min(rows, key=lambda row: row["accuracy_change"])
    if worst["accuracy_change"] >= 0:
        return "No subgroup lost accuracy."
    clear = "" if worst["accuracy_change_high"] < 0 else ", not distinguishable from none"
    return f"The subgroup that lost most, {group_name(worst)}, changed by {_change(worst)}{clear}."


def _constraints(values) -> str:
    limits, choice = values["limits"], values["recommendation"]
    stated = (
        f"Constraints considered were download size (at most {limits['max_mb']:g} MB, gzipped), latency (at most "
        f"{limits['max_ms']:g} ms a prediction, one thread) and loss of validation accuracy (at most "
        f"{limits['max_drop']:g})"
    )
    decided = [LIMITS[limit] for limit in choice["decided_by"]]
    if choice["name"] is None:
        verdict = f"{listed(decided)} limit ruled all files out" if len(decided) == 1 else "together they left no file"
    elif decided:
        verdict = f"{listed(decided)} limit{'s' if len(decided) > 1 else ''} decided"
    else:
        verdict = "none of them changed the choice"
    return f"{stated}; {verdict}."


def _runtimes(values) -> str:
    pair = next((pair for pair in values["pairs"] if pair["technique"].endswith("int8")), None)
    if pair is None or not is_known(pair["tflite_over_onnx"]):
        return ""
    return f"{pair['technique']} took {number(pair['tflite_over_onnx'])} times as long in LiteRT as in ONNX Runtime."


def _gains(row) -> str:
    return f"{number(row['times_smaller'], 1)} times smaller (gzip) and {number(row['times_faster'], 1)} times as fast"


def _change(row) -> str:
    low, high = _signed(row["accuracy_change_low"]), _signed(row["accuracy_change_high"])
    return f"{_signed(row['accuracy_change'])} (95 % {low} to {high})"


def _signed(value: float) -> str:
    shown = number(value, 3)
    return f"+{shown}" if is_known(value) and float(shown) > 0 else shown


def _reference(row) -> str:
    """Name of the float32 file of the same model."""
    prefix = f"{row['model']}_" if row["name"].startswith(f"{row['model']}_") else ""
    return f"{prefix}float32.tflite"
