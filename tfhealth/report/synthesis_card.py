"""The card that lies beside synthetic images, against misuse: what they are, how made, how good, what they are not."""

from collections.abc import Mapping, Sequence
from typing import Any

from tfhealth.report.synthesis_narrative import row_of
from tfhealth.report.wording import interval, number

PURPOSE = """## For what, and not for what

- For: teaching, testing software, trying out augmentation, sharing a method.
- Not for: diagnosis, evidence about how often a disease occurs or how it looks, training a product without real
  validation, passing off as photographs. Do not remove the mark.
"""


def synthetic_data_card(values: Mapping[str, Any], caveats: Sequence[str]) -> str:
    """Returns the card in Markdown.

    Args:
        values: Part 3's findings values.
        caveats: sentences that must stand beside the numbers.
    """
    data = values["data"]
    made = [
        f"- Model: {values['model'].upper()}, conditional on class, trained on {data['train']:,} training images of "
        f"{data['title']}.",
        f"- Licence of these data, which may bind what is made from them: {data['licence']}",
        f"- Chosen among up to {values['candidates']} candidates each by a classifier that takes no part in the "
        "judgement below.",
    ]
    title = (
        f"# Synthetic images: card\n\n{values['written']} images in `images/<class>/`, as many of each class. "
        '**They show no patient.**\nEvery PNG says so in its metadata: text chunk "synthetic".\n'
    )
    sections = {"How they were made": made, "How good they are": _quality(values), "Privacy": _privacy(values)}
    told = [f"## {name}\n\n" + "\n".join(lines) + "\n" for name, lines in sections.items()]
    mind = "## Mind\n\n" + "\n".join(f"- {caveat}" for caveat in caveats) + "\n"
    return "\n".join([title, *told, PURPOSE, mind])


def _quality(values: Mapping[str, Any]) -> list[str]:
    main, real = row_of(values, values["main"]), row_of(values, "real held-out")
    return [
        f"- Fréchet distance on a classifier's features: {number(main['frechet_distance'])} "
        f"({number(main['frechet_distance_low'])} to {number(main['frechet_distance_high'])}); real held-out images: "
        f"{number(real['frechet_distance'])}.",
        f"- Recall (diversity): {number(main['recall'])}; real held-out images: {number(real['recall'])}.",
        f"- Class: an independent classifier gives {interval(values['plausibility']['agreement_each']['overall'])} of "
        "them the class asked for.",
    ]


def _privacy(values: Mapping[str, Any]) -> list[str]:
    memorised = values["privacy"]["memorisation"]
    attacks = [
        f"- Membership inference by someone who has {row['attacker_has']}: AUC {number(row['auc'])} "
        f"({number(row['auc_low'])} to {number(row['auc_high'])}; guessing 0.5), {number(row['tpr_at_1_percent_fpr'])} "
        "of the training images recognised at 1 % false alarms."
        for row in values["privacy"]["membership"]
    ]
    return [
        *attacks,
        f"- Nearer to a training image than 99 % of held-out images come: {interval(memorised['rate'])}; held-out "
        f"images: {interval(memorised['baseline'])}.",
        "- No differential privacy: nothing here is a guarantee.",
    ]
