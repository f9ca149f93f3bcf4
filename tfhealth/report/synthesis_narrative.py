"""Part 3's written reflection and its list of challenges, composed from findings; both hold for any outcome."""

from collections.abc import Mapping
from typing import Any

from tfhealth.report.wording import interval, is_known, listed, number

MIN_WORDS, MAX_WORDS = 150, 200
DISPENSABLE = ("diverged", "lesson", "useful", "agreement")  # left out, in this order, of too long a text
# A VAE is said to have collapsed if fewer of its dimensions are active, and to have done so partly if its z tells less
# about the image than this share of what it tells with the remedies.
ACTIVE_ENOUGH, INFORMATION_ENOUGH = 0.6, 0.5
RECALL_ENOUGH = 0.5  # of what real held-out images reach; below it a GAN is said to have lost modes
PRIVACY = (
    "Synthetic data could help privacy: images that show no patient can be shared and taught with where records must "
    "stay inside the clinic."
)


def part3_reflection(values: Mapping[str, Any]) -> str:
    """Returns the reflection, 150 to 200 words: the biggest challenge, how it was addressed, and privacy.

    Args:
        values: Part 3's findings values; every number in the text stands there, rounded to what is printed.
    """
    challenge, addressed = _vae(values) if values["model"] == "vae" else _gan(values)
    sentences = {
        "challenge": challenge,
        "addressed": addressed,
        "diverged": _diverged(values),
        "realism": _realism(values),
        "agreement": _agreement(values),
        "useful": _useful(values),
        "privacy": PRIVACY,
        "measured": _measured(values),
        "lesson": "So synthetic data lower the risk; a promise that holds for everyone needs differential privacy.",
    }
    for name in DISPENSABLE:
        if sum(len(sentence.split()) for sentence in sentences.values()) > MAX_WORDS:
            sentences[name] = ""
    return " ".join(sentence for sentence in sentences.values() if sentence)


def assessment(values: Mapping[str, Any]) -> list[str]:
    """Returns three sentences: are the samples realistic, diverse, medically plausible?"""
    main, real = row_of(values, values["main"]), row_of(values, "real held-out")
    apart = main["frechet_distance_low"] > real["frechet_distance_high"]
    pairs = [row for row in values["diversity"] if "real" in row]
    alike = sum(row["synthetic_low"] > row["real_high"] for row in pairs)
    yardstick = {row["name"]: row["ks"] for row in values["plausibility"]["lesions_real"]}
    lesions = sorted(
        (row for row in values["plausibility"]["lesions"] if is_known(row["ks"])), key=lambda row: row["ks"]
    )
    shapes = [
        f"{row['name']} {word} real ones (Kolmogorov-Smirnov distance {number(row['ks'])}; between two real sets "
        f"{number(yardstick[row['name']])})"
        for row, word in zip((lesions[-1:] + lesions[:1]), ("is farthest from", "comes nearest to"), strict=False)
    ]
    measured = f" Of what can be measured on the lesions, {listed(shapes)}." if shapes else ""
    return [
        f"Realistic? The Fréchet distance is {number(main['frechet_distance'])}, that of real held-out images "
        f"{number(real['frechet_distance'])}, precision {number(main['precision'])} ({number(real['precision'])}): the "
        f"classifier's features {'clearly tell' if apart else 'do not clearly tell'} these images from real ones.",
        f"Diverse? Recall is {number(main['recall'])} ({number(real['recall'])}); two synthetic images of a class are "
        f"clearly more alike than two real ones in {alike} of {len(pairs)} classes (MS-SSIM).",
        f"Medically plausible? {_agreement(values)}{measured}",
    ]


def row_of(values: Mapping[str, Any], images: str, space: str = "classifier features") -> Mapping[str, Any]:
    """Returns the row of the realism table for a set of images."""
    return next(row for row in values["realism"] if (row["images"], row["space"]) == (images, space))


def challenges(values: Mapping[str, Any]) -> list[dict]:
    """Returns one row a challenge: what was seen of it in this run, what was done, and what came of it."""
    own = _posterior_collapse(values) if values["model"] == "vae" else _adversarial(values)
    main, best = row_of(values, values["main"]), row_of(values, "real held-out")
    rare = values["usefulness"]["added"]
    return [
        own,
        {
            "challenge": "Mode collapse and lost diversity",
            "seen": f"Recall {number(main['recall'])} (real held-out images: {number(best['recall'])}), coverage "
            f"{number(main['coverage'])} ({number(best['coverage'])}).",
            "done": "Quarter turns and mirror images in training; measured, not assumed: recall, coverage, pairwise "
            "MS-SSIM by class, and the classes that an independent classifier recognises.",
            "outcome": f"The judge recognised {number(values['plausibility']['class_coverage'])} of the classes.",
        },
        {
            "challenge": "Images that do not show the class asked for",
            "seen": _agreement(values),
            "done": f"Up to {values['candidates']} candidates an image, chosen by a classifier of its own "
            f"({values['guide']}), never by the one that judges.",
            "outcome": "Without a choice among candidates, z drawn from the prior, the Fréchet distance was "
            f"{number(row_of(values, values['unhelped'])['frechet_distance'])}, with it "
            f"{number(main['frechet_distance'])}.",
        },
        {
            "challenge": "Rare classes",
            "seen": f"Synthetic images added: {listed([f'{n} {name}' for name, n in rare.items() if n] or ['none'])}.",
            "done": f"Classifiers trained with and without them, {values['usefulness']['seeds']} seeds each.",
            "outcome": f"Balanced accuracy changed by {_change(values)}.",
        },
        _training_that_breaks(values),
    ]


def collapse_of_plain(values: Mapping[str, Any]) -> str:
    """Returns "whole", "partial" or "none": how far the plain VAE's posterior collapsed, by the rule above."""
    plain, own = (values["reconstruction"][name]["collapse"] for name in ("plain", "vae"))
    if plain["active"] < ACTIVE_ENOUGH:
        return "whole"
    return "partial" if plain["mutual_information"] < INFORMATION_ENOUGH * own["mutual_information"] else "none"


def _vae(values) -> tuple[str, str]:
    plain, own = (values["reconstruction"][name] for name in ("plain", "vae"))
    config, told = values["training"]["vae"]["config"], plain["collapse"]["mutual_information"]
    kept = (
        f"had {number(plain['collapse']['active'])} of its {values['latent']} latent dimensions active (mean KL above "
        f"0.01 nats) and {number(told, 1)} nats of information about the image"
    )
    challenge = {
        "whole": f"The biggest challenge was posterior collapse: a plain VAE (beta 1, no remedies) {kept}.",
        "partial": f"The biggest challenge was partial posterior collapse: a plain VAE (beta 1, no remedies) {kept}, "
        "less than half of what it tells with remedies.",
        "none": f"Posterior collapse, the challenge to be expected, hardly came: even a plain VAE (beta 1) {kept}. "
        "The biggest one was detail that the decoder blurs.",
    }[collapse_of_plain(values)]
    addressed = (
        f"It was addressed by KL annealing, {config['free_bits']:g} free nats a dimension and a final beta of "
        f"{config['beta']:g}: {number(own['collapse']['active'])} were then active, with "
        f"{_information(own['collapse'])} nats, and test reconstructions reached "
        f"{number(own['psnr_db']['value'], 1)} dB (plain: {number(plain['psnr_db']['value'], 1)})."
    )
    return challenge, addressed


def _information(collapse: Mapping[str, Any]) -> str:
    """The estimate cannot pass the logarithm of the number of images; one that reaches it says "at least"."""
    full = collapse["mutual_information"] > collapse["ceiling"] - 0.1
    return f"{'at least ' if full else ''}{number(collapse['mutual_information'], 1)}"


def _gan(values) -> tuple[str, str]:
    main, best = row_of(values, values["main"]), row_of(values, "real held-out")
    found = f"recall was {number(main['recall'])}, that of real held-out images {number(best['recall'])}"
    lost = main["recall"] < RECALL_ENOUGH * best["recall"]
    if lost:
        challenge = f"The biggest challenge was mode collapse, a generator making only some kinds of image: {found}."
    else:
        challenge = f"The biggest challenge was to keep two opponents in balance without mode collapse: {found}."
    last = values["training"]["gan"]["last"]
    addressed = (
        "It was addressed by spectral normalisation, which bounds the discriminator's slope, by the hinge loss, by "
        "differentiable augmentation, which keeps it from learning few images by heart, and by averaged weights; the "
        f"losses ended at {number(last['discriminator_loss'])} (discriminator) and {number(last['generator_loss'])} "
        f"(generator){', and it was not enough' if lost else ''}."
    )
    return challenge, addressed


def _diverged(values) -> str:
    broken = {name: run["diverged"] for name, run in values["training"].items() if run["diverged"]}
    told = (f"Training of {name} broke in {where}; its last good weights were used." for name, where in broken.items())
    return " ".join(told)


def _realism(values) -> str:
    main, base = (row_of(values, values[key])["frechet_distance"] for key in ("main", "baseline"))
    better = "lower, so better, than" if main < base else "no lower than"
    real = row_of(values, "real held-out")["frechet_distance"]
    return (
        f"The Fréchet distance on the classifier's features was {number(main)}, {better} the {number(base)} of the "
        f"{_baseline(values)} (real held-out images: {number(real)})."
    )


def _agreement(values) -> str:
    found, real = (values["plausibility"][key] for key in ("agreement", "agreement_real"))
    return (
        f"The independent classifier gave {number(found['overall']['value'])} of the images the class asked for "
        f"(real: {number(real['overall']['value'])}), averaged over the classes {number(found['balanced'])} "
        f"({number(real['balanced'])})."
    )


def _useful(values) -> str:
    return f"Added to rare classes, they changed balanced accuracy by {_change(values)}."


def _change(values) -> str:
    change = values["usefulness"]["change"]["augmented"]
    meaning = "a gain" if change["low"] > 0 else "a loss" if change["high"] < 0 else "indistinguishable from none"
    return f"{interval(change)}, {meaning}"


def _measured(values) -> str:
    privacy = values["privacy"]
    worst = max(privacy["membership"], key=lambda row: row["auc"])
    alarms = {"images": privacy, "records": values["records"]["privacy"]}
    told = " and ".join(f"{found['alarms']} of {found['tests']} of the {what}" for what, found in alarms.items())
    return (
        f"But synthetic is not anonymous: the best membership attack on the images reached an AUC of "
        f"{number(worst['auc'])} (guessing: 0.5), {number(privacy['memorisation']['rate']['value'])} of them lay "
        f"suspiciously close to training images, and of the tests {told} raised an alarm."
    )


def _posterior_collapse(values) -> dict:
    plain, own = (values["reconstruction"][name] for name in ("plain", "vae"))
    config = values["training"]["vae"]["config"]

    def diagnosis(found) -> str:
        collapse = found["collapse"]
        return (
            f"{number(collapse['active'])} of the dimensions active, {number(collapse['kl_total'], 1)} nats of KL, "
            f"mutual information {number(collapse['mutual_information'], 1)} nats (at most "
            f"{number(collapse['ceiling'], 1)}), {number(found['psnr_db']['value'], 1)} dB"
        )

    return {
        "challenge": "Posterior collapse",
        "seen": f"Plain VAE, beta 1: {diagnosis(plain)}.",
        "done": f"KL weight raised from 0 over {config['annealing']:g} of the epochs to {config['beta']:g}; "
        f"{config['free_bits']:g} free nats a dimension; a classifier's features in the loss.",
        "outcome": f"With the remedies: {diagnosis(own)}.",
    }


def _adversarial(values) -> dict:
    last = values["training"]["gan"]["last"]
    return {
        "challenge": "A discriminator that wins, and learns the images by heart",
        "seen": f"Scores in the last epoch: real {number(last['real_score'])}, made {number(last['fake_score'])}.",
        "done": "Hinge loss, spectral normalisation, differentiable augmentation, averaged generator weights.",
        "outcome": f"Losses in the last epoch: discriminator {number(last['discriminator_loss'])}, generator "
        f"{number(last['generator_loss'])}.",
    }


def _training_that_breaks(values) -> dict:
    seen = _diverged(values)
    return {
        "challenge": "Training that breaks",
        "seen": seen or "No loss left its limits in this run.",
        "done": "Every step's losses are checked; a broken one ends training with the last good epoch's weights.",
        "outcome": "The weights of the last good epoch were used." if seen else "All epochs were trained.",
    }


def _baseline(values) -> str:
    return "plain VAE" if values["model"] == "vae" else "same GAN without the guide's choice"
