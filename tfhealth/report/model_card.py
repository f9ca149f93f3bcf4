"""model_card.md: what the files are for, how well they do, for whom, and where they end. Markdown, from findings."""

from collections.abc import Mapping, Sequence
from typing import Any

from tfhealth.compression.artifact import LATENCY
from tfhealth.report.compression_narrative import best_of
from tfhealth.report.wording import is_known, number

SCORES = ("accuracy", "balanced_accuracy", "roc_auc")
INTENDED = (
    "Research and teaching on compression for phones. **Not a medical device**: no output supports a decision about a "
    "patient, and no one has validated these files in a clinic."
)
RUNNING = {
    "image": "`python predict_image.py MODEL.tflite IMAGE...` (needs ai-edge-litert, numpy and Pillow) runs a file on "
    "images. Input: the centred square, resized as `metadata.json` in the file says (`unzip MODEL.tflite`).",
    "text": "`tokenizer.json` (package `tokenizers`) turns a text into ids; cut them at the length that "
    "`metadata.json` in the file says (`unzip MODEL.tflite`), or pad with 0.",
}


def model_card(values: Mapping[str, Any], caveats: Sequence[str]) -> str:
    """Returns the card of all files of the run.

    Args:
        values: Part 4's findings values; groups too small to speak of have no number there.
        caveats: sentences that must stand beside the numbers.
    """
    data, best = values["data"], best_of(values)
    models = ", ".join(f"{model['label']} ({model['parameters']:,} weights)" for model in values["models"])
    sections = [
        "# Model card",
        f"{models}, compressed. Classes: {', '.join(data['class_names'])}.",
        f"## Intended use\n\n{INTENDED}\n\n{RUNNING[data['modality']]}",
        f"## Training data\n\n{_data(data)}",
        f"## Files\n\n{_files(values)}",
        *([] if best is None else [f"## Metrics\n\n{_metrics(values, best)}"]),
        *([] if best is None else [f"## Metrics by subgroup\n\n{_subgroups(values, best)}"]),
        f"## Limits\n\n{_limits(values, caveats)}",
    ]
    return "\n\n".join(sections) + "\n"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Returns a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(str(cell).replace('|', '/') for cell in line)} |" for line in lines)


def _data(data) -> str:
    synthetic = " Synthetic: no evidence about real patients." if data["synthetic"] else ""
    source = f" {data['url']}" if data["url"] else ""
    return (
        f"{data['title']}; licence {data['licence']}.{synthetic} {data['train']:,} examples to train on, "
        f"{data['validation']:,} for validation, {data['test']:,} for test, split by {data['group_unit']}. "
        f"{data['citation']}.{source}"
    )


def _files(values) -> str:
    name = values["recommendation"]["name"]
    rows = [
        [f"**{row['name']}**" if row["name"] == name else row["name"], *_numbers(row)] for row in values["artifacts"]
    ]
    header = ["file", "MB", "MB gzipped", "ms (p50, one thread)", "test accuracy"]
    header += ["change (95 % interval)", "change on validation"]
    note = "\n\nBold: recommended under the stated limits; that of the loss is kept on validation."
    return table(header, rows) + ("" if name is None else note)


def _numbers(row) -> list[str]:
    if row["failure"]:
        return ["", "", "", "", f"failed: {row['failure']}", ""]
    sizes = [number(row[key], 3) for key in ("size_mb", "gzip_mb", LATENCY, "accuracy")]
    return [*sizes, _with_interval(row, "accuracy_change"), number(row["validation_accuracy_change"], 3)]


def _metrics(values, best) -> str:
    model = next(model for model in values["models"] if model["label"] == best["model"])
    rows = []
    for score in SCORES:
        before = model["test"][score]
        rows.append(
            [
                score.replace("_", " "),
                f"{number(before['value'], 3)} ({number(before['low'], 3)} to {number(before['high'], 3)})",
                number(best[score], 3),
                _with_interval(best, f"{score}_change"),
            ]
        )
    header = ["score, on test", "Keras model (95 % interval)", best["name"], "change (95 % interval)"]
    views = best["validation_orientations"]
    mean = f" (mean over {views} orientations of each image)" if views > 1 else ""
    lead = f"Validation accuracy changed by {number(best['validation_accuracy_change'], 3)}{mean}. "
    return (
        f"{table(header, rows)}\n\n{lead}The file names the Keras model's class on "
        f"{number(best['top1_agreement'], 3)} of the test split; its largest difference of a logit is "
        f"{number(best['max_abs_error'], 3)}."
    )


def _subgroups(values, best) -> str:
    rows = [
        [
            row["feature"].replace("_", " "),
            row["group"],
            f"{row['count']:,}",
            number(row["accuracy_before"], 3),
            _with_interval(row, "accuracy_change"),
        ]
        for row in values["subgroups"]["rows"]
        if row["name"] == best["name"]
    ]
    hidden = [
        [row["feature"].replace("_", " "), row["group"], row["units"], "", row["reason"]]
        for row in values["subgroups"]["hidden"]
    ]
    if not rows and not hidden:
        return "The data name no subgroups, so differences between groups of patients are unknown."
    header = ["feature", "group", "examples", "accuracy before", f"change with {best['name']} (95 % interval)"]
    return table(header, [*rows, *hidden])


def _limits(values, caveats) -> str:
    latency = "Latency was measured on the computer that made the files, not on a phone."
    if any(row.get("int8_dot_products") == 0 for row in values["artifacts"]):
        latency += (
            " Its processor lacks the 8-bit dot products that most phones have, with which int8 files are faster."
        )
    other = "Accuracy on images or texts from other devices, clinics or populations is unknown."
    return "\n".join(f"- {line}" for line in (latency, other, *caveats))


def _with_interval(row, name: str) -> str:
    ends = [row.get(f"{name}_low"), row.get(f"{name}_high")]
    shown = f" ({number(ends[0], 3)} to {number(ends[1], 3)})" if all(is_known(end) for end in ends) else ""
    return f"{number(row[name], 3)}{shown}"
