"""Part 2's written analysis, composed from findings: other numbers give other sentences."""

from collections.abc import Mapping
from typing import Any

NAMES = {
    "dropout": "dropout",
    "l2": "L2 penalty",
    "weight_decay": "weight decay",
    "augmentation": "augmentation",
    "label_smoothing": "label smoothing",
    "mixup": "mixup",
}
TOWARDS = {
    "more": "The search therefore went towards stronger regularization",
    "less": "The search therefore went towards weaker regularization",
    "around": "The search therefore covered both weaker and stronger regularization",
}
MEANINGS = {
    "high bias": "it does not fit even the images it was trained on",
    "high variance": "it fits its training images better than new ones",
    "high bias and high variance": "it neither fits its training images nor carries over what it learned to new ones",
    "neither": "it fits its training images and carries over to new ones within the tolerated gap",
}


def part2_analysis(values: Mapping[str, Any]) -> str:
    """Returns the analysis, 200 to 300 words: diagnosis, what followed from it, which regularization worked, result.

    Args:
        values: Part 2's findings values; every number in the text stands there, rounded to what is printed.
    """
    sentences = [_data(values), *_diagnosis(values), *_growth(values), *_tuning(values), *_result(values)]
    return " ".join(sentence for sentence in sentences if sentence)


def _data(values) -> str:
    data, study = values["data"], values["study"]
    kind = "synthetic images" if data["synthetic"] else "images"
    names = ", ".join(study["diagnoses"])
    return (
        f"Over- and underfitting were diagnosed on {data['title']} ({data['train']} training, {data['validation']} "
        f"validation and {data['test']} test {kind}, split by {data['group_unit']}) by training "
        f"{_count(study['diagnoses'])} capacities ({names}) on {_count(study['fractions'])} sizes of the training data."
    )


def _diagnosis(values) -> list[str]:
    study = values["study"]
    chosen, others = study["chosen"], [name for name in study["diagnoses"] if name != study["chosen"]]
    about = study["diagnoses"][chosen]
    sentences = [
        f"{chosen} was chosen, the smallest within one standard error of the lowest validation loss: balanced "
        f"accuracy {about['train_score']:.2f} on training and {about['validation_score']:.2f} on validation images, "
        f"a gap of {about['gap']:.2f} (95 % interval {about['gap_interval'][0]:.2f} to "
        f"{about['gap_interval'][1]:.2f}).",
        f"By the stated rule (desired score {about['desired_score']:.2f}, tolerated gap {about['tolerated_gap']:.2f}) "
        f"the verdict is {about['verdict']}: {MEANINGS[about['verdict']]}.",
    ]
    verdicts = [
        f"{name} ({found['train_score']:.2f} and {found['validation_score']:.2f}) showed {_verdict(found['verdict'])}"
        for name, found in ((name, study["diagnoses"][name]) for name in others)
    ]
    return [*sentences, _sentence(" and ".join(verdicts))]


def _growth(values) -> list[str]:
    growth = values["study"]["growth"]
    change = growth["change"]
    meaning = (
        "so more data would probably still help"
        if growth["low"] > 0
        else "a change that this validation split cannot tell from none"
        if growth["high"] >= 0
        else "so more of the same data did not help"
    )
    return [
        f"From {growth['from_examples']} to {growth['to_examples']} training images its validation score changed by "
        f"{change:+.2f} ({growth['low']:+.2f} to {growth['high']:+.2f}), {meaning}."
    ]


def _tuning(values) -> list[str]:
    tuning = values["tuning"]
    before, after = tuning["before"], tuning["after"]
    first = (
        f"{TOWARDS[tuning['towards']]}; KerasTuner tried {tuning['trials']} settings of "
        f"{_count(tuning['hyperparameters'])} regularizers, each going on from the same weights."
    )
    change = tuning["change"]
    if tuning["improved"]:
        meaning = "" if change["high"] < 0 else ", indistinguishable from none"
        outcome = (
            f"Against the defaults the best setting ({_setting(tuning['best_setting'])}) moved validation loss from "
            f"{before['validation_log_loss']:.3f} to {after['validation_log_loss']:.3f} nats "
            f"(change {change['low']:+.3f} to {change['high']:+.3f}{meaning}) "
            f"and the gap from {before['gap']:.2f} to {after['gap']:.2f}."
        )
    else:
        outcome = (
            f"None beat the defaults' validation loss of {before['validation_log_loss']:.3f} nats "
            f"(best other {after['validation_log_loss']:.3f}), so the defaults were kept."
        )
    return [first, outcome, _best_regularizer(tuning)]


def _best_regularizer(tuning) -> str:
    alone = tuning["alone"]
    if not alone:
        return "The best trial had the defaults themselves, so no regularizer was tried alone."
    name, change = min(alone.items(), key=lambda item: item[1]["value"])
    what = f"{'stronger' if change['stronger'] else 'weaker'} {NAMES[name]}"
    moved = (
        f"{change['value']:+.3f} nats ({change['low']:+.3f} to {change['high']:+.3f}, corrected for {_count(alone)} "
        f"comparison{'s' if len(alone) > 1 else ''})"
    )
    if change["high"] < 0:
        return f"Of the best trial's settings, each trained alone, {what} worked best, moving that loss by {moved}."
    return (
        f"No single regularizer clearly worked best: of the best trial's settings, each trained alone, {what} did "
        f"most, moving that loss by {moved}, indistinguishable from none."
    )


def _result(values) -> list[str]:
    final, balanced, about = values["final"], values["class_balanced"], values["final_diagnosis"]
    sentences = [
        f"Trained to the end, the model had a gap of {about['gap']:.2f} ({about['train_score']:.2f} on training, "
        f"{about['validation_score']:.2f} on validation images; verdict: {about['verdict']}).",
        f"Test accuracy was {_interval(final['accuracy'])}, AUC "
        f"{_interval(final['roc_auc'])} and balanced accuracy {final['balanced_accuracy']['value']:.2f}; shifting its "
        f"decisions to even class shares gave {balanced['balanced_accuracy']['value']:.2f} at accuracy "
        f"{balanced['accuracy']['value']:.2f}.",
        f"Temperature scaling ({values['temperature']:.2f}) moved the calibration error from "
        f"{final['expected_calibration_error']['value']:.3f} to "
        f"{values['calibrated']['expected_calibration_error']['value']:.3f}.",
    ]
    focus = values.get("focus")
    if focus:
        sentences.append(
            f"Of the Grad-CAM mass, {focus['inside']['value']:.2f} lay inside the lesion masks, which cover "
            f"{focus['area']['value']:.2f} of the image."
        )
    return sentences


def _interval(score) -> str:
    return f"{score['value']:.3f} ({score['low']:.3f} to {score['high']:.3f})"


def _setting(name: str) -> str:
    return f"{NAMES[name.removesuffix('_alone')]} alone" if name.endswith("_alone") else "all regularizers together"


def _verdict(verdict: str) -> str:
    return "neither sign" if verdict == "neither" else verdict


def _count(items) -> str:
    words = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight")
    return words[len(items)] if len(items) < len(words) else str(len(items))


def _sentence(text: str) -> str:
    return f"{text[:1]}{text[1:]}." if text else ""
