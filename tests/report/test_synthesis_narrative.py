"""Part 3's texts for outcomes good, bad and broken: their length, their numbers, their verdicts."""

import re
from itertools import product

import pytest

from tfhealth.report.synthesis_card import synthetic_data_card
from tfhealth.report.synthesis_narrative import assessment, challenges, part3_reflection

CONSTANTS = {"0.01", "0.5", "1"}  # the rule of active dimensions, guessing, the plain VAE's beta


def score(value):
    return {"value": value, "low": value - 0.11, "high": value + 0.12}


def realism(images, frechet, recall):
    scores = {"frechet_distance": frechet, "recall": recall, "coverage": recall / 2, "precision": 0.77}
    low = {f"{name}_low": value - 0.1 for name, value in scores.items()}
    return {"space": "classifier features", "images": images, **scores, **low, "frechet_distance_high": frechet + 0.1}


def findings(model="vae", active=0.3, told=6.1, better=True, change=0.05, flagged=False, diverged=None):
    """A run's values, as parts.part3_findings.collect makes them, with that outcome."""
    main, baseline = {"vae": ("VAE", "plain VAE"), "gan": ("GAN", "GAN, unchosen")}[model]
    unhelped = {"vae": "VAE, prior only", "gan": "GAN, unchosen"}[model]
    sets = {"real held-out": 0.31, main: 2.5, unhelped: 4.5, baseline: 8.0 if better else 1.4}
    collapse = {"kl_total": 33.3, "mutual_information": 6.1, "ceiling": 7.6}
    plain = {**collapse, "active": active, "mutual_information": told}
    config = {"beta": 0.05, "free_bits": 0.07, "annealing": 0.25}
    last = {"discriminator_loss": 1.21, "generator_loss": 0.34, "real_score": 0.41, "fake_score": -0.62}
    attack = {"auc": 0.53, "auc_low": 0.5, "auc_high": 0.56, "tpr_at_1_percent_fpr": 0.02, "flagged": flagged}
    return {
        "data": {"title": "Phantom", "licence": "Apache-2.0", "train": 842},
        "model": model,
        "main": main,
        "baseline": baseline,
        "unhelped": unhelped,
        "candidates": 4,
        "guide": "resnet8_width8",
        "latent": 64,
        "written": 120,
        "training": {
            name: {"config": config, "last": last, "diverged": diverged}
            for name in (("vae", "plain") if model == "vae" else ("gan",))
        },
        "reconstruction": {
            "vae": {"psnr_db": score(26.1), "collapse": {"active": 1.0, **collapse}},
            "plain": {"psnr_db": score(22.2), "collapse": plain},
        },
        "realism": [
            realism(name, frechet, 0.9 if better or name == "real held-out" else 0.1) for name, frechet in sets.items()
        ],
        "plausibility": {
            "agreement": {"overall": score(0.62), "balanced": 0.44},
            "agreement_real": {"overall": score(0.79), "balanced": 0.65},
            "agreement_each": {"overall": score(0.57)},
            "class_coverage": 0.71,
            "lesions": [{"name": "area", "ks": 0.41}, {"name": "red", "ks": 0.16}, {"name": "blue", "ks": None}],
            "lesions_real": [{"name": name, "ks": 0.08} for name in ("area", "red", "blue")],
        },
        "privacy": {
            "membership": [{"attacker_has": "the model", **attack}, {"attacker_has": "released images", **attack}],
            "memorisation": {"rate": score(0.03), "baseline": score(0.015), "flagged": False},
            "closest_record": {"flagged": False},
            "tests": 4,
            "alarms": 2 * flagged,
        },
        "records": {"privacy": {"tests": 10, "alarms": 1}},
        "diversity": [
            {"class": "a", "synthetic_low": 0.8, "real_high": 0.5, "real": 0.4},
            {"class": "b", "synthetic_low": 0.3, "real_high": 0.5, "real": 0.4},
            {"class": "without a test image", "synthetic_low": 0.8},
        ],
        "usefulness": {
            "seeds": 3,
            "change": {"augmented": score(change)},
            "added": {"nevus": 0, "melanoma": 22, "keratosis": 70},
        },
    }


OUTCOMES = [
    {"model": model, **plain, "better": better, "change": change, "flagged": flagged, "diverged": diverged}
    for model, plain, better, change, flagged, diverged in product(
        ("vae", "gan"),
        ({"active": 0.3}, {"active": 0.9}, {"active": 0.9, "told": 2.9}),
        (True, False),
        (0.2, -0.2, 0.0),
        (True, False),
        (None, "epoch 12, step 30: reconstruction is not a finite number"),
    )
]


@pytest.mark.parametrize("outcome", OUTCOMES, ids=lambda outcome: "-".join(map(str, outcome.values()))[:60])
def test_reflection_has_the_length_that_is_asked_for_and_only_numbers_that_were_found(outcome):
    values = findings(**outcome)
    text = part3_reflection(values)
    assert 150 <= len(text.split()) <= 200, f"{len(text.split())}: {text}"
    standing = list(numbers_in(values))
    for word in re.findall(r"(?<![\w.])[-+]?\d+(?:\.\d+)?(?![\w])", text.replace("95 %", "")):
        decimals = len(word.partition(".")[2])
        found = any(f"{abs(value):.{decimals}f}" == word.lstrip("+-") for value in standing)
        assert found or word in CONSTANTS, word
    assert "  " not in text


def numbers_in(value):
    if isinstance(value, (dict, list)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from numbers_in(item)
    elif isinstance(value, (int, float)):
        yield float(value)
    elif isinstance(value, str):
        yield from map(float, re.findall(r"\d+(?:\.\d+)?", value))


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        ({"active": 0.3}, "posterior collapse: a plain VAE"),
        ({"active": 0.9}, "hardly came"),
        ({"active": 0.9, "told": 2.9}, "partial posterior collapse: a plain VAE"),
        ({"better": False}, "no lower than"),
        ({"better": True}, "lower, so better, than"),
        ({"flagged": True}, "of the tests 2 of 4 of the images and 1 of 10 of the records raised an alarm"),
        ({"flagged": False}, "of the tests 0 of 4 of the images"),
        ({"model": "gan", "better": False}, "mode collapse, a generator making only some kinds"),
        ({"model": "gan", "better": True}, "to keep two opponents in balance"),
        ({"change": 0.2}, "a gain"),
        ({"change": -0.2}, "a loss"),
        ({"change": 0.0}, "indistinguishable from none"),
    ],
)
def test_text_says_what_was_found(outcome, words):
    values = findings(**outcome)
    told = part3_reflection(values) + " ".join(str(row) for row in challenges(values))
    assert words in told


def test_samples_are_assessed_as_realistic_diverse_and_plausible_beside_real_ones():
    realistic, diverse, plausible = assessment(findings())
    assert "clearly tell these images from real ones" in realistic
    assert "more alike than two real ones in 1 of 2 classes" in diverse
    assert "area is farthest from real ones (Kolmogorov-Smirnov distance 0.41; between two real sets 0.08)" in plausible
    assert "red comes nearest" in plausible


def test_broken_training_stands_among_the_challenges_with_epoch_and_cause():
    rows = challenges(findings(diverged="epoch 12, step 30: kl is not a finite number"))
    assert "epoch 12, step 30: kl is not a finite number" in rows[-1]["seen"]
    assert "No loss left its limits" in challenges(findings())[-1]["seen"]


@pytest.mark.parametrize("model", ["vae", "gan"])
def test_card_says_what_the_images_are_how_private_and_what_they_are_not_for(model):
    card = synthetic_data_card(findings(model), ("Research software.",))
    for words in ("They show no patient", "text chunk", "AUC 0.53", "Not for: diagnosis", "- Research software."):
        assert words in card
