"""One number of each part for the report's first page, as the part's findings say it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tfhealth.report.wording import interval, is_known, number


@dataclass(frozen=True)
class Headline:
    """A number, what it is, and what it stands beside."""

    number: str
    what: str
    beside: str


NOT_RUN = Headline("-", "not run", "")


def headline(part: int, values: Mapping[str, Any] | None) -> Headline:
    """Returns the headline number of Part 1 to 5 from its findings' values; None: the part is missing."""
    if values is None:
        return NOT_RUN
    return {1: _text, 2: _images, 3: _synthesis, 4: _compression, 5: _ethics}[part](values)


def _text(values: Mapping[str, Any]) -> Headline:
    models = {name: model for name, model in values["models"].items() if name in ("lstm", "transformer", "pretrained")}
    best = max(models, key=lambda name: models[name]["validation_accuracy"])
    others = [
        f"{model['label']} {number(model['test']['accuracy']['value'], 3)}"
        for name, model in values["models"].items()
        if name != best
    ]
    score = models[best]["test"]["accuracy"]
    return Headline(
        number(score["value"], 3),
        f"test accuracy of the {models[best]['label']}, best on validation",
        f"95 % {number(score['low'], 3)} to {number(score['high'], 3)}; {', '.join(others)}",
    )


def _images(values: Mapping[str, Any]) -> Headline:
    score = values["final"]["accuracy"]
    return Headline(
        number(score["value"], 3),
        f"test accuracy of {values['study']['chosen'].replace('_', ', ')}, {values['headline'].replace('_', ' ')}",
        f"95 % {number(score['low'], 3)} to {number(score['high'], 3)}; ROC AUC {interval(values['final']['roc_auc'])}",
    )


def _synthesis(values: Mapping[str, Any]) -> Headline:
    rows = {row["images"]: row for row in values["realism"] if row["space"] == "classifier features"}
    main = rows[values["main"]]["frechet_distance"]
    others = [f"{name} {number(rows[name]['frechet_distance'])}" for name in rows if name != values["main"]]
    return Headline(number(main), f"Fréchet distance of the {values['main']}'s images to real ones", ", ".join(others))


def _compression(values: Mapping[str, Any]) -> Headline:
    choice = values["recommendation"]
    name = choice["name"] or choice["nearest"]
    row = next((row for row in values["artifacts"] if row["name"] == name), None)
    if row is None:
        return Headline("0", "files that could be made", "")
    change = {
        "value": row.get("accuracy_change"),
        "low": row.get("accuracy_change_low"),
        "high": row.get("accuracy_change_high"),
    }
    kept = "recommended" if choice["name"] else "nearest to the limits, which none keeps"
    return Headline(
        f"{number(row['times_smaller'], 1)} x",
        f"smaller (gzip): {name}, {kept}",
        f"{number(row['times_faster'], 1)} times as fast; change of test accuracy {interval(change)}",
    )


def _ethics(values: Mapping[str, Any]) -> Headline:
    about = values["fairness"]
    row = about["clearest"]
    if row is None or not is_known(row["gap"]):
        return Headline("-", "no gap between groups could be measured", f"{about['tests']} comparisons")
    measure = f"{row['measure']} by {row['feature']}".replace("_", " ").replace(" x ", " by ")
    found = f"{about['alarms']} of {about['tests']} comparisons raised an alarm"
    beside = f"corrected p {number(row['p_holm'], 3)}; {found}"
    return Headline(number(row["gap"]), f"{measure}, the clearest gap", beside)
