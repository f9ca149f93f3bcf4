"""Part 5's recommendations: each an action and the number of this run that asks for it."""

from collections.abc import Mapping
from typing import Any

from tfhealth.report.wording import count, cut, group_name, interval, is_known, number, small


def recommendations(values: Mapping[str, Any]) -> list[str]:
    """Returns two to four sentences, each with an action and the number of this run that asks for it."""
    return [text for text in (_collect(values), _operate(values), _ship(values), _mitigate(values)) if text]


def _collect(values) -> str:
    found, limits = values["collect"], values["limits"]
    question = cut(found["question"].replace("_", " "))
    power = f"a gap of {found['gap']:.2f} in recall would then be detected with {100 * limits['power']:.0f} % power"
    if not found["group"]:
        return (
            f"Record sex, age and skin tone or ethnicity, with consent, until each of two equally large groups has "
            f"{found['needed']:,} {question} cases in the test data: {power}, which today nobody can tell."
        )
    group = group_name(found)
    if not found["more"]:
        return (
            f"Keep at least {found['needed']:,} {question} cases of {group} in future test data (now "
            f"{found['have']:,}), so that {power.replace('would then be', 'can be')}, and repeat the audit with every "
            "new model."
        )
    return (
        f"Collect {found['more']:,} more {question} cases of {group}, of which the test data have {found['have']:,}: "
        f"{power}."
    )


def _operate(values) -> str:
    errors, recall, view = values["per_1000"], values["overall"]["recall"], values["view"]
    missed = f"{count(errors['false_negatives'])} missed per {errors['per']:,} patients"
    if is_known(view["threshold"]):
        return (
            f"Decide at a threshold of {small(view['threshold'])}, chosen on validation for a recall of "
            f"{view['sensitivity']:.2f}; it reached {interval(recall)} on test ({missed}), so choose it anew on local "
            "patients before any use."
        )
    return (
        f"Have a clinician check every answer on {cut(errors['question'].replace('_', ' '))}, the class with the "
        f"lowest recall ({missed}), and use no answer alone: mean recall is {interval(recall)}."
    )


def _ship(values) -> str:
    found = values.get("compression")
    if not found:
        return ""
    row = found["worst"] or found["largest"]
    if row is None:
        return (
            f"Any of the {found['artifacts']} compressed models may be studied further: none lowered a group's recall."
        )
    what = (
        f"{cut(row['artifact'])}: {cut(row['group'])} changed by {number(row['change'])} in {row['rate']} "
        f"({number(row['low'])} to {number(row['high'])})"
    )
    if found["worst"]:
        return f"Do not ship {what}, whatever its average accuracy."
    return f"Before shipping, repeat the audit on more cases for {what}, the largest fall, not clear in this sample."


def _mitigate(values) -> str:
    found = values.get("mitigation")
    best = (found or {}).get("best")
    if not best:
        return ""
    worst = f"{cut(best['worst_group'])} from {number(best['worst_before'])} to {number(best['worst_after'])}"
    if best["improved"]:
        return (
            f"Try {cut(best['mitigation'])} prospectively, and only if those who pay agree: it moved the "
            f"{best['rate']} of {worst}, balanced accuracy by {number(best['balanced_accuracy_change'])}."
        )
    if best["gain"] <= 0:
        return (
            f"Prefer more data to the {found['tried']} mitigations: none raised the {best['rate']} of the worst group, "
            f"which was {number(best['worst_before'])} before and at best {number(best['worst_after'])} after."
        )
    return (
        f"Prefer more data to the {found['tried']} mitigations: the best, {cut(best['mitigation'])}, moved the "
        f"{best['rate']} of {worst}, which chance can explain."
    )
