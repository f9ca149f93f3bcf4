"""A small run that no training made: all five parts with findings, tables, figures and texts of the right length."""

from PIL import Image

from tfhealth.audit.findings import Findings
from tfhealth.report.sections import SECTIONS
from tfhealth.report.tables import write_csv
from tfhealth.report.writing import RESEARCH

SCORE = {"value": 0.8, "low": 0.7, "high": 0.9}
DATA = {
    "name": "phantom",
    "title": "Phantom <of> #strange *marks*",
    "licence": "CC BY 4.0",
    "citation": "Somebody 2020, A data set",
    "url": "https://example.org/data",
    "group_unit": "lesion",
    "train": 1000,
    "validation": 100,
    "test": 200,
}
FRECHET = {"space": "classifier features", "frechet_distance": 2.0}
VALUES = {
    1: {
        "models": {
            "tfidf": {"label": "TF-IDF", "validation_accuracy": 0.9, "test": {"accuracy": SCORE | {"value": 0.5}}},
            "lstm": {"label": "LSTM", "validation_accuracy": 0.6, "test": {"accuracy": SCORE | {"value": 0.9}}},
            "transformer": {"label": "Transformer", "validation_accuracy": 0.7, "test": {"accuracy": SCORE}},
        }
    },
    2: {
        "study": {"chosen": "resnet8_width8"},
        "headline": "averaged_views",
        "final": {"accuracy": SCORE, "roc_auc": SCORE},
    },
    3: {"main": "VAE", "realism": [FRECHET | {"images": "VAE"}, FRECHET | {"images": "noise"}]},
    4: {
        "recommendation": {"name": "int8.tflite", "nearest": None},
        "artifacts": [{"name": "int8.tflite", "times_smaller": 3.9, "times_faster": 2.0, "accuracy_change": -0.01}],
    },
    5: {
        "fairness": {
            "clearest": {"measure": "auc_difference", "feature": "age_band", "gap": 0.12, "p_holm": 0.04},
            "alarms": 1,
            "tests": 28,
        },
        "model": "resnet8_width8",
        "view": {"name": "malignant"},
        "recommendations": ["Collect 158 more cases.", "Decide at a threshold of 0.38."],
    },
}


def text_of(words: int, headings: tuple[str, ...] = ()) -> str:
    """Returns a text of so many words, its headings among them."""
    start = "\n\n".join(f"### {heading}\n\nWords." for heading in headings)
    return f"{start}\n\n" + " ".join(["word"] * (words - len(start.replace("#", "").split())))


def rows_of(plan) -> list[dict]:
    """Returns two rows that a table of the outline shows, one number of each column given with its interval."""
    known = {"model": "resnet8_width8", "view": "malignant", "class": "malignant"}
    row = {column.key: 0.125 if column.style not in ("text", "words", "short") else "name" for column in plan.columns}
    row |= {f"{key}_{end}": v for key in list(row) for end, v in (("low", 0.1), ("high", 0.2)) if row[key] == 0.125}
    row |= {column: known.get(column, values[0]) for column, values in plan.where}
    return [row, dict(row)]


def save_part(exports, section, *, words=None, values=None, height=300):
    """Leaves what a part leaves."""
    folder = exports / section.folders[0]
    folder.mkdir(parents=True)
    for plan in section.tables:
        write_csv(folder / f"{plan.name}.csv", rows_of(plan))
    for plan in section.figures:
        Image.new("RGB", (1300, height), "navy").save(folder / f"{plan.name}.png")
    headings = ("Privacy", "Fairness") if section.number == 5 else ()
    Findings(
        folder.name,
        {"data": DATA, **VALUES[section.number], **(values or {})},
        {plan.name: f"{plan.name}.csv" for plan in section.tables},
        {plan.name: f"{plan.name}.png" for plan in section.figures},
        caveats=(RESEARCH, "The images are synthetic."),
        text=text_of(words or section.words[0], headings),
    ).save(folder)


COMMANDS = {section.command: f"python -m tfhealth.run {section.command} --run made_up" for section in SECTIONS}
