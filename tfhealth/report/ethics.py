"""Part 5's ethics report, composed from findings: other numbers give other sentences.

Gaps are assessed and lessened; no model is called free of them. Every number in the text stands in `values`, rounded
to what is printed.
"""

from collections.abc import Mapping
from typing import Any

from tfhealth.report import ethics_phrases as phrases
from tfhealth.report.wording import UNDEFINED, count, cut, ends, interval, is_known, listed, number, small

FEWEST_WORDS, MOST_WORDS = 400, 600  # headings included
MARGIN = 10  # words kept from both limits: programs count dashes, marks and numbers differently
LONGEST_TITLE = 8  # words; a longer one is cut
# Sentences left out, in this order, of too long a text; and put in, in this order, of too short a one.
DISPENSABLE = ("proxies", "needs_group", "explained", "worst_artifact", "prevalence", "attack", "mitigation", "oracle")
RESERVE = ("reserve_validation", "reserve_privacy", "reserve_transparency", "reserve_fairness", "reserve_dual_use")


def ethics_report(values: Mapping[str, Any]) -> str:
    """Returns the report as Markdown, 400 to 600 words under five headings.

    Args:
        values: Part 5's findings values. data: of `data_values`; view: name, threshold, sensitivity; limits, overall,
            per_1000, fairness (with proxies: names), collect, compression, mitigation: of audit/summary.py; oracle: of
            `alarm_rates`, "planted" and "any"; privacy: attack_auc (value, low, high, chance, recognised); explanation:
            Part 2's inside and area. The last five may be absent or None.
    """
    sections = {
        "Privacy": _privacy(values),
        "Fairness": _fairness(values),
        "Transparency and explainability": _transparency(values),
        "Clinical validation": _clinical(values),
        "Dual-use risks": _dual_use(values),
    }
    for name in DISPENSABLE:
        if _words(_joined(sections, leave_out=RESERVE)) > MOST_WORDS - MARGIN:
            for sentences in sections.values():
                sentences.pop(name, None)
    left_out = list(RESERVE)
    for name in RESERVE:
        if _words(_joined(sections, leave_out=left_out)) < FEWEST_WORDS + MARGIN:
            left_out.remove(name)
    return _joined(sections, leave_out=left_out)


def _privacy(values) -> dict[str, str]:
    data, limits, attack = values["data"], values["limits"], (values.get("privacy") or {}).get("attack_auc")
    kind = f"{data['modality']}s"
    found = {
        "data": (phrases.SYNTHETIC_DATA if data["synthetic"] else phrases.REAL_DATA)[data["modality"]].format(
            title=_title(values), train=data["train"], kind=kind
        ),
        "splits": f"No {cut(data['group_unit'])} is in two splits, and every table hides counts under "
        f"{limits['suppressed_below']}, because small cells can identify a person.",
        "attack": phrases.NO_ATTACK,
        "reserve_privacy": phrases.RESERVE_PRIVACY,
    }
    if attack and is_known(attack["value"]):
        found["attack"] = (
            f"A membership-inference attack, which guesses who was trained on, reached an AUC of {interval(attack)}, "
            f"where a coin has {attack['chance']:.1f}, and recognised {small(attack['recognised']['value'])} of them "
            f"at a false positive rate of {attack['recognised']['false_positive_rate']:.2f}."
        )
    return found


def _fairness(values) -> dict[str, str]:
    about, data = values["fairness"], values["data"]
    found = {"groups": _groups(values)}
    if not about["features"]:
        biases = phrases.POSSIBLE_BIASES[data["modality"]]
        found |= {"biases": biases, "test_them": phrases.HOW_TO_TEST, "proxies": _proxies(about)}
    else:
        found |= {"verdict": _verdict(values), "worst": _worst(about), "compression": _compression(values)}
        found["worst_artifact"] = _worst_artifact(values)
        found |= {"mitigation": _mitigation(values), "needs_group": phrases.NEEDS_GROUP}
        if not values.get("mitigation"):
            del found["needs_group"]
    return {**found, "oracle": _oracle(values), "reserve_fairness": phrases.RESERVE_FAIRNESS}


def _groups(values) -> str:
    about, limits = values["fairness"], values["limits"]
    if not about["features"]:
        return phrases.NO_GROUPS
    names = [_feature({"feature": name}) for name in about["features"]]
    few = about["too_few"]
    too_few = f"; {few} smaller one{'s were' if few != 1 else ' was'} too few to speak of" if few else ""
    method = " (Fairlearn's MetricFrame, bootstrap intervals, corrected permutation tests)" if about["tests"] else ""
    return (
        f"Performance was assessed by {listed(names)}, for groups of at least {limits['minimum_group']}{method}"
        f"{too_few}."
    )


def _verdict(values) -> str:
    about, limits = values["fairness"], values["limits"]
    row = about["clearest"]
    if row is None or not is_known(row["value"]):
        return phrases.NOTHING_COMPARABLE
    gap = (
        f"{_measure(row)} by {_feature(row)}, {number(row['gap'])} (95 % {number(row['gap_low'])} to "
        f"{number(row['gap_high'])}, corrected p {_p(row)}) between {cut(row['lowest'])} and {cut(row['highest'])}"
    )
    if about["alarms"]:
        count = f"{about['alarms']} of {about['tests']} comparisons"
        return f"Disparities were found in {count}; the clearest was the {gap}. {phrases.GAP_MEANING}"
    beyond = (
        f"; only beyond {number(row['detectable'])} would this sample have shown it with "
        if is_known(row["detectable"])
        else "; the sample could show it with less than "
    )
    return (
        f"No comparison raised an alarm; the clearest was the {gap}{beyond}{100 * limits['power']:.0f} % power. "
        f"{phrases.ABSENCE}"
    )


def _worst(about) -> str:
    worst = about["worst"]
    if about["clearest"] is None:
        return ""
    if worst is None:
        return "No group had enough positives for a recall of its own."
    score = {"value": worst["recall"], "low": worst["recall_low"], "high": worst["recall_high"]}
    return f"The lowest recall of any group was {interval(score)}, in {cut(worst['group'])} ({_feature(worst)})."


def _compression(values) -> str:
    found = values.get("compression")
    if not found:
        return ""
    if found["harmed"]:
        return f"Of {found['artifacts']} compressed models, {found['harmed']} clearly lowered a group's scores."
    return (
        f"None of {found['artifacts']} compressed models clearly lowered a group's recall or accuracy, although "
        "average accuracy alone could hide such losses."
    )


def _worst_artifact(values) -> str:
    row = (values.get("compression") or {}).get("worst")
    if not row:
        return ""
    return (
        f"The worst, {cut(row['artifact'])}, changed the {row['rate']} of {cut(row['group'])} by "
        f"{number(row['change'])} ({number(row['low'])} to {number(row['high'])})."
    )


def _mitigation(values) -> str:
    found = values.get("mitigation")
    if not found:
        return ""
    best = found["best"]
    if best is None:
        return f"For the {found['tried']} mitigations tried no gain could be measured."
    paid = (
        f"while {cut(best['payer'])} paid {number(-best['paid'])}"
        if best["payer"]
        else f"at a change in balanced accuracy of {number(best['balanced_accuracy_change'])}"
    )
    clear = "" if best["improved"] else ", not distinguishable from none"
    return (
        f"Of {found['tried']} mitigations {found['improved']} clearly raised the worst group's {best['rate']}; "
        f"{cut(best['mitigation'])} changed it by {number(best['gain'])} ({number(best['gain_low'])} to "
        f"{number(best['gain_high'])}{clear}) {paid}."
    )


def _proxies(about) -> str:
    if not about.get("proxies"):
        return ""
    return f"As stand-ins, {listed([cut(name.replace('_', ' ')) for name in about['proxies']])} were audited."


def _oracle(values) -> str:
    found = values.get("oracle")
    if not found:
        return ""
    return (
        f"Tested on predictions with a planted gap, the audit found it in {_share(found['planted'])} of "
        f"{found['planted']['draws']} draws, and without one raised an alarm in {_share(found['any'])}."
    )


def _transparency(values) -> dict[str, str]:
    focus, error = values.get("explanation"), values["overall"]["expected_calibration_error"]
    found = {
        "records": phrases.RECORDS,
        "calibration": f"Its probabilities deviate from observed frequencies by {interval(error)} on average "
        f"(calibration error){phrases.CALIBRATION_END}",
        "explained": phrases.NOT_EXPLAINED[values["data"]["modality"]],
        "limits": phrases.EXPLANATION_LIMITS[values["data"]["modality"]],
        "reserve_transparency": phrases.RESERVE_TRANSPARENCY,
    }
    if focus and is_known(focus["inside"]["value"]):
        found["explained"] = (
            f"Of the Grad-CAM heat, {number(focus['inside']['value'])} lay inside the lesion masks, which cover "
            f"{number(focus['area']['value'])} of the image."
        )
    return found


def _clinical(values) -> dict[str, str]:
    errors = values["per_1000"]
    question = cut(errors["question"].replace("_", " "))
    meaning = phrases.ERRORS[values["data"]["modality"]]
    lead = (
        f"At the operating point, of {errors['per']:,} patients like those tested"
        if is_known(values["view"]["threshold"])
        else f"Of {errors['per']:,} patients like those tested"
    )
    found = {
        "counts": f"{lead}, {count(errors['positives'])} would be {question}: {count(errors['false_negatives'])} of "
        f"them missed ({ends(errors['false_negatives'])}), and {count(errors['false_positives'])} others alarmed in "
        f"vain ({ends(errors['false_positives'])}).",
        "miss": meaning["miss"],
        "alarm": meaning["alarm"],
        "prevalence": phrases.PREVALENCE,
        "trial": phrases.SYNTHETIC_TRIAL if values["data"]["synthetic"] else phrases.TRIAL,
        "reserve_validation": phrases.RESERVE_VALIDATION,
    }
    if is_known(errors["predictive_value"]):
        found["prevalence"] = (
            f"The share of alarms that are right is {number(errors['predictive_value'])}; {phrases.PREVALENCE_END}"
        )
    return found


def _dual_use(values) -> dict[str, str]:
    modality = values["data"]["modality"]
    return {
        "misuse": phrases.MISUSE[modality],
        "attributes": phrases.ATTRIBUTES[modality] if values["fairness"]["features"] else phrases.NO_ATTRIBUTES,
        "phone": phrases.PHONE if values.get("compression") else phrases.NO_PHONE,
        "safeguards": phrases.SAFEGUARDS,
        "reserve_dual_use": phrases.RESERVE_DUAL_USE,
    }


def _feature(row) -> str:
    return cut(row["feature"].replace("_", " ").replace(" x ", " by "))


def _measure(row) -> str:
    return row["measure"].replace("_", " ").replace("auc", "AUC")


def _share(score) -> str:
    return f"{100 * score['value']:.1f} % ({100 * score['low']:.1f} % to {100 * score['high']:.1f} %)"


def _p(row) -> str:
    if not is_known(row["p_holm"]):
        return UNDEFINED
    return "below one in a thousand" if row["p_holm"] < 0.0005 else f"{row['p_holm']:.3f}"


def _joined(sections: Mapping[str, Mapping[str, str]], leave_out) -> str:
    return "\n\n".join(
        f"### {heading}\n\n" + " ".join(text for name, text in sentences.items() if text and name not in leave_out)
        for heading, sentences in sections.items()
    )


def _words(text: str) -> int:
    return len(text.split())


def _title(values) -> str:
    return cut(values["data"]["title"].partition(":")[0], LONGEST_TITLE)
