"""What Part 5 found, gathered for findings.json, the figures and TensorBoard."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict

import numpy as np

from tfhealth.audit.change import check_same_examples, disparity_changes, group_changes
from tfhealth.audit.fairness import main_rows
from tfhealth.audit.findings import Findings
from tfhealth.audit.privacy import LOW_RATE, membership_inference
from tfhealth.audit.reliability import reliability_curves
from tfhealth.audit.summary import (
    LIMITS,
    collect_values,
    compression_values,
    errors_per_thousand,
    fairness_values,
    mitigation_values,
    overall_rates,
)
from tfhealth.audit.views import SENSITIVITY
from tfhealth.parts.part5_audit import Audited
from tfhealth.parts.part5_mitigation import GAP, Mitigated
from tfhealth.paths import read_json
from tfhealth.report.recommendations import recommendations
from tfhealth.report.writing import data_values
from tfhealth.training.record import Predictions
from tfhealth.training.tracking import write_hparams, write_report, write_text


def collect(part, audited: Sequence[Audited], mitigated: Mitigated | None, oracle: Mapping) -> tuple[dict, dict]:
    """Returns everything findings.json holds, and what only the tables and figures need."""
    main = audited[0]
    changes = {name: _changes(part, main, name) for name in list(main.views)[1:]}
    fairness = fairness_values(main.audit, main.prepared)
    if part.proxies:
        fairness |= {"features": [], "proxies": list(part.proxies)}
    people, settings = part.people, part.settings
    values = {
        "data": data_values(part.bundle),
        "model": part.source.label,
        "settings": asdict(settings),
        "view": {"name": main.view.name, "threshold": main.view.threshold, "sensitivity": SENSITIVITY},
        "limits": LIMITS,
        "overall": overall_rates(main.view, people, settings),
        "per_1000": errors_per_thousand(main.view, people, settings),
        "fairness": fairness,
        "collect": collect_values(main.view, [] if part.proxies else main.prepared, fairness["tests"]),
        "compression": compression_values({name: groups for name, (groups, _) in changes.items()}),
        "mitigation": _mitigation_values(mitigated),
        "oracle": oracle,
        "privacy": {"attack_auc": _attack(part)},
        "explanation": _explanation(part),
        "undefined": {name: why for own in audited for name, why in own.audit.undefined.items()},
    }
    if mitigated is None:
        values["undefined"]["mitigation"] = "no feature has two groups of ten cases and ten others each in validation"
    values["recommendations"] = recommendations(values)
    drawn = {
        "groups": _every_audit(audited, "groups"),
        "disparities": _every_audit(audited, "disparities"),
        "main_groups": main_rows(main.audit.groups),
        "main_disparities": main.audit.disparities,
        "group_changes": [{"artifact": name, **row} for name, (rows, _) in changes.items() for row in rows],
        "disparity_changes": [{"artifact": name, **row} for name, (_, rows) in changes.items() for row in rows],
        "mitigation": [] if mitigated is None else mitigated.rows,
        "prices": [] if mitigated is None else [{"mitigation": n, **row} for n, row in mitigated.prices.items()],
        "reliability": [curve for own in main.prepared for curve in reliability_curves(main.view, own)],
        "trade_off": _trade_off(part, main, mitigated),
    }
    return values, drawn


def log_report(part, found: Findings, audited: Audited) -> None:
    """Puts every model's gaps, the figures, the texts and precision-recall curves into TensorBoard."""
    folder = part.folder.name
    for name, audit in audited.audits.items():
        rows = [row for row in audit.disparities if np.isfinite(row["value"])]
        scores = {f"{row['measure']}/{row['feature']}": row["value"] for row in rows}
        if scores:
            write_hparams(part.workspace.logs(folder, "models", name), {"model": name}, scores)
    logs, names, test = part.workspace.logs(folder, "report"), part.bundle.card.class_names, part.source.test
    write_report(logs, part.folder, found.figures, found.text, test.y_true, test.y_prob, names)
    write_text(logs, "recommendations", "\n".join(f"- {line}" for line in found.values["recommendations"]), 0)


def _changes(part, main: Audited, name: str) -> tuple[list[dict], list[dict]]:
    """Returns the changes from the Keras model to a file, by group and by measure."""
    check_same_examples(part.source.test, part.answers[name][1])
    both = main.audit, main.audits[name]
    return group_changes(*both), disparity_changes(*both)


def _mitigation_values(mitigated: Mitigated | None) -> dict | None:
    if mitigated is None:
        return None
    found = {"feature": mitigated.feature, "question": mitigated.question, "prices": mitigated.prices}
    return {**mitigation_values(mitigated.prices), **found}


def _attack(part) -> dict:
    """Membership inference by the confidence in the true class (Yeom et al. 2018, arXiv:1709.01604, sec. 3)."""
    members = Predictions.load(part.source.run.predictions["train"], "the same command")
    scores = [own.y_prob[np.arange(len(own.y_true)), own.y_true] for own in (members, part.source.test)]
    found = membership_inference(*scores, draws=part.config.draws, seed=part.seed)
    low, high = found.auc_interval
    tpr_low, tpr_high = found.tpr_interval
    recognised = {
        "value": found.tpr_at_1_percent_fpr,
        "low": tpr_low,
        "high": tpr_high,
        "false_positive_rate": LOW_RATE,
    }
    return {"value": found.auc, "low": low, "high": high, "chance": 0.5, "recognised": recognised}


def _explanation(part) -> dict | None:
    """Returns how much of Part 2's Grad-CAM lay on the lesions; None without masks, and for texts."""
    path = part.workspace.root / "exports" / part.workspace.run / "part2" / "findings.json"
    if part.bundle.card.modality != "image" or not path.exists():
        return None
    return read_json(path, "python -m tfhealth.run part2")["values"].get("focus")


def _every_audit(audited: Sequence[Audited], table: str) -> list[dict]:
    return [
        {"view": own.view.name, "model": model, **row}
        for own in audited
        for model, audit in own.audits.items()
        for row in getattr(audit, table)
    ]


def _trade_off(part, main: Audited, mitigated: Mitigated | None) -> list[dict]:
    """Returns a point a model and a mitigation: balanced accuracy, and the gap in recall by the mitigated feature."""
    if mitigated is None:
        return []
    points, key = [], (mitigated.feature, GAP)
    for name, view in main.views.items():
        score = overall_rates(view, part.people, part.settings)["balanced_accuracy"]
        gap = next(row for row in main.audits[name].disparities if (row["feature"], row["measure"]) == key)
        kind = "baseline" if name == main.baseline else "artifact"
        points.append({"name": name, "kind": kind, **_ends("score", score), **_ends("gap", gap)})
    return points + [{"name": name, "kind": "mitigation", **point} for name, point in mitigated.points.items()]


def _ends(name: str, score: Mapping) -> dict:
    return {name: score["value"], f"{name}_low": score["low"], f"{name}_high": score["high"]}
