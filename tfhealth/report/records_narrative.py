"""What is said of synthetic patient records: their card, their challenge, and how good they are; from findings."""

from collections.abc import Mapping
from typing import Any

from tfhealth.report.wording import count, interval, listed, number


def records_challenge(values: Mapping[str, Any]) -> dict:
    """Returns the row of the challenges' table: what was seen of records, what was done, and what came of it.

    Args:
        values: findings.values["records"].
    """
    data, config = values["data"], values["training"]["config"]
    kinds = [row["kind"] for row in values["columns"]]
    gaps = [row["column"] for row in values["columns"] if row["missing_real"]]
    return {
        "challenge": "Records of numbers and categories, with gaps",
        "seen": f"{data['name']}: {kinds.count('numbers')} columns of numbers, {kinds.count('categories')} of "
        f"categories, {len(gaps)} with missing values; {data['train']:,} training records.",
        "done": "A VAE with a Gaussian or a softmax for each column; missing as a value of its own; numbers kept "
        "within those of training; categories of fewer than five people pooled; KL annealing and "
        f"{config['free_bits']:g} free nats a dimension.",
        "outcome": f"{_useful(values)} {number(values['collapse']['active'])} of the latent dimensions were active.",
    }


def records_assessment(values: Mapping[str, Any]) -> list[str]:
    """Returns sentences: are the records realistic, useful, private?"""
    rows = {row["records"]: row for row in values["realism"]}
    made, real, shuffled = (rows[name] for name in ("synthetic", "real training", "real, columns shuffled"))
    columns = [row for row in values["columns"] if row["distance"] == row["distance"]]
    worst = max(columns, key=lambda row: row["distance"], default=None)
    farthest = (
        f" Of single columns {worst['column']} is farthest from real test records (distance "
        f"{number(worst['distance'])}; training records: {number(worst['distance_between_real'])})."
        if worst
        else ""
    )
    return [
        f"Realistic? Fréchet distance to real test records: {number(made['frechet_distance'])}; of real training "
        f"records {number(real['frechet_distance'])}, of real columns that are shuffled "
        f"{number(shuffled['frechet_distance'])}. Correlations of two features differ by "
        f"{number(made['association_gap'], 3)} on average ({number(real['association_gap'], 3)} and "
        f"{number(shuffled['association_gap'], 3)}).{farthest}",
        f"Useful? {_useful(values)}",
        f"Private? {_private(values)}",
        *([f"At what price? {_price(values)}"] if values["private"] else []),
    ]


def records_card(values: Mapping[str, Any]) -> str:
    """Returns the records' section of the card in Markdown."""
    data = values["data"]
    lines = [
        f"`records.csv`: {count({'value': values['written']})} records. **They are of no patient.** Its first column, "
        '"synthetic", says "yes" in every row: leave it there.',
        f"- Model: tabular VAE, conditional on {data['label']}, trained on {data['train']:,} training records of "
        f"{data['title']}. Licence: {data['licence']}",
        "- Numbers lie within those of the training records, whose smallest and largest they may repeat; categories of "
        "fewer than five training records are pooled; missing values are made as well.",
        *(f"- {sentence}" for sentence in records_assessment(values)),
        "- No differential privacy in `records.csv`: nothing there is a guarantee.",
        *map(_granted, values["private"][1:]),
    ]
    return "\n".join(["## Patient records", "", *lines]) + "\n"


def guarantee(row: Mapping[str, Any]) -> str:
    """Returns what a generator of records grants, for a row of findings.values["records"]["private"]."""
    return "no guarantee" if row["epsilon"] is None else f"\u03b5 = {number(row['epsilon'])}"


def _granted(row: Mapping[str, Any]) -> str:
    """Returns the card's line on a file whose generator was trained with DP-SGD."""
    return (
        f"- `{row['file']}`: made by a generator trained with DP-SGD (gradients clipped to {row['clip']:g}, noise "
        f"multiplier {number(row['noise'])}, {row['steps']} batches, each record in one with a chance of "
        f"{number(row['rate'])}). The accountant (privacy loss distributions) grants each record ({guarantee(row)}, "
        f"\u03b4 = {row['delta']:g})-differential privacy against adding or leaving it out. Taken as public and not "
        "protected: the columns' names, ranges, decimals, few values, categories and whether any are missing, and how "
        "many records each class has. The scores of this card and of the report are computed on the records themselves "
        "and not protected either. A person with several records is protected less. The noise follows from the run's "
        "seed: whoever is to be kept from the records must not know the seed. Each file has its guarantee "
        "alone; who gets several can add them up."
    )


def _price(values: Mapping[str, Any]) -> str:
    """Says what classifiers trained on private records reach, and what an attacker does."""
    told = []
    for row in values["private"]:
        scores = [f"{name} {number(row[name.replace(' ', '_')])}" for name in values["usefulness"]["change"]]
        told.append(
            f"{guarantee(row)}: {listed(scores)}, membership inference with the model {number(row['membership_auc'])}"
        )
    return (
        "ROC AUC of classifiers trained on synthetic records, and of the attack on people (guessing: 0.5), by what "
        f"each record is granted: {'; '.join(told)}."
    )


def _useful(values: Mapping[str, Any]) -> str:
    found = {(row["classifier"], row["trained_on"]): row for row in values["usefulness"]["roc_auc"]}
    told = [
        f"{name} trained on synthetic records reached {interval(found[name, 'synthetic'])}, on real ones "
        f"{interval(found[name, 'real'])}"
        for name in values["usefulness"]["change"]
    ]
    return f"ROC AUC on real test records, mean of {values['usefulness']['seeds']} generators: {listed(told)}."


def _private(values: Mapping[str, Any]) -> str:
    privacy = values["privacy"]
    closest, memorised = privacy["closest_record"], privacy["memorisation"]
    attacks = [
        f"Membership inference with {row['attacker_has']}: AUC {number(row['auc'])} ({number(row['auc_low'])} to "
        f"{number(row['auc_high'])}; guessing 0.5{', alarm' if row['flagged'] else ''})"
        for row in privacy["membership"]
    ]
    guessed = [
        f"{row['attack']}{' of ' + row['secret'] if row['secret'] else ''}: right on {number(row['success'])} of those "
        f"trained on and on {number(row['control'])} of others{' (alarm)' if row['flagged'] else ''}"
        for row in privacy["attacks"]
        if row["attacks"]
    ]
    return (
        f"{privacy['alarms']} of {privacy['tests']} tests raised an alarm, which each does by chance in 2.5 to 5 % of "
        f"runs. Closest to a training record rather than to a held-out one: {number(closest['share'])} of the "
        f"synthetic records (expected {number(closest['expected'])}{', alarm' if closest['flagged'] else ''}). "
        f"Suspiciously close: {interval(memorised['rate'])}; held-out records: {interval(memorised['baseline'])}. "
        f"{'; '.join(attacks + guessed)}."
    )
