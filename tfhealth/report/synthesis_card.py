"""The card that lies beside synthetic images, against misuse: what they are, how made, how good, what they are not."""

from collections.abc import Mapping, Sequence
from typing import Any

from tfhealth.report.synthesis_narrative import row_of
from tfhealth.report.wording import interval, number


def synthetic_data_card(values: Mapping[str, Any], caveats: Sequence[str]) -> str:
    """Returns the card in Markdown.

    Args:
        values: Part 3's findings values.
        caveats: sentences that must stand beside the numbers.
    """
    data, agreement = values["data"], values["plausibility"]["agreement_each"]
    main, real = row_of(values, values["main"]), row_of(values, "real held-out")
    attacks = [
        f"- Membership inference by someone who has {row['attacker_has']}: AUC {number(row['auc'])} "
        f"({number(row['auc_low'])} to {number(row['auc_high'])}; guessing 0.5), {number(row['tpr_at_1_percent_fpr'])} "
        "of the training images recognised at 1 % false alarms."
        for row in values["privacy"]["membership"]
    ]
    memorised = values["privacy"]["memorisation"]
    return "\n".join(
        [
            "# Synthetic images: card",
            "",
            f"{values['written']} images in `images/<class>/`, as many of each class. **They show no patient.**",
            'Every PNG says so in its metadata: text chunk "synthetic".',
            "",
            "## How they were made",
            "",
            f"- Model: {values['model'].upper()}, conditional on class, trained on {data['train']:,} training images "
            f"of {data['title']}.",
            f"- Licence of these data, which may bind what is made from them: {data['licence']}",
            f"- Chosen among up to {values['candidates']} candidates each by a classifier that takes no part in the "
            "judgement below.",
            "",
            "## How good they are",
            "",
            f"- Fréchet distance on a classifier's features: {number(main['frechet_distance'])} "
            f"({number(main['frechet_distance_low'])} to {number(main['frechet_distance_high'])}); real held-out "
            f"images: {number(real['frechet_distance'])}.",
            f"- Recall (diversity): {number(main['recall'])}; real held-out images: {number(real['recall'])}.",
            f"- An independent classifier gives {interval(agreement['overall'])} of them the class asked for.",
            "",
            "## Privacy",
            "",
            *attacks,
            f"- Nearer to a training image than 99 % of held-out images come: {interval(memorised['rate'])}; held-out "
            f"images: {interval(memorised['baseline'])}.",
            "- No differential privacy: nothing here is a guarantee.",
            "",
            "## For what, and not for what",
            "",
            "- For: teaching, testing software, trying out augmentation, sharing a method.",
            "- Not for: diagnosis, evidence about how often a disease occurs or how it looks, training a product "
            "without real validation, passing off as photographs. Do not remove the mark.",
            "",
            "## Mind",
            "",
            *[f"- {caveat}" for caveat in caveats],
            "",
        ]
    )
