"""Part 5, fairness and ethics: audit the Keras model and every file of Part 4 by group, mitigate, report.

Reads what Parts 2 and 4 (or, with `--from part1`, 1 and 4) saved, and leaves in exports/<run>/part5/ (of texts:
part5_text/):

    findings.json, analysis.md (the ethics report), recommendations.md, figures
    groups.csv, disparities.csv               of the Keras model
    compression_groups.csv, compression_disparities.csv     what every file changes
    mitigation.csv, mitigation_price.csv
    oracle.json, mitigated/                   what a second start does not compute again
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from tfhealth.audit.fairness import AuditSettings
from tfhealth.audit.groups import people_ids
from tfhealth.audit.oracle import Planted, alarm_rates
from tfhealth.audit.proxies import image_proxies, text_proxies
from tfhealth.compression.artifact import SUFFIX, Artifact
from tfhealth.config_part5 import PART5, Part5Config
from tfhealth.console import say
from tfhealth.data.dataset import DatasetBundle, Split
from tfhealth.data.image_source import ImageOptions
from tfhealth.data.pipeline import Feed
from tfhealth.data.text import TextOptions
from tfhealth.parts import part5_findings as findings
from tfhealth.parts.part4 import FOLDERS as PART4_FOLDERS
from tfhealth.parts.part5_audit import Audited, audit_answers, one_question
from tfhealth.parts.part5_mitigation import Mitigated, mitigate
from tfhealth.parts.saved_models import Source, command_of, load_images, load_texts
from tfhealth.paths import Workspace, keep_settings, read_json, write_json
from tfhealth.report import part5 as report
from tfhealth.training.record import Predictions

FOLDERS = {"part2": "part5", "part1": "part5_text"}  # one run may hold both


@dataclass(frozen=True)
class Part5:
    """What the stages share.

    Attributes:
        source: the audited Keras model.
        answers: name -> its answers on validation and test: the Keras model's first, then every file's of Part 4.
        features: of the test split: the sensitive ones, or, where the data have none, the stand-ins.
        proxies: names of the stand-ins; () where the features are the data's own.
        people: (n,) ids of whom the test examples are of.
    """

    workspace: Workspace
    folder: Path
    config: Part5Config
    seed: int
    bundle: DatasetBundle
    feed: Feed
    source: Source
    answers: Mapping[str, tuple[Predictions, Predictions]]
    features: Mapping[str, np.ndarray]
    proxies: tuple[str, ...]
    people: np.ndarray

    @property
    def settings(self) -> AuditSettings:
        return AuditSettings(self.config.draws, self.config.permutations, self.seed)


def run(
    workspace: Workspace, *, source: str, name: str, options: ImageOptions | TextOptions, profile: str, seed: int
) -> Path:
    """Runs the part and returns the folder with findings.json; stages that are finished are not done again.

    Args:
        source: "part2" or "part1": whose model.
        name: of the data set.
        options: of images or of texts, the same that the model was made with.
    """
    say(f"Part 5: the model of {source}, {name}, profile {profile}, seed {seed}")
    part = load_stage(workspace, source, name, options, profile, seed)
    audited = audit_stage(part)
    oracle = oracle_stage(part)
    mitigated = mitigation_stage(part)

    say("Writing findings, figures and TensorBoard pictures")
    values, drawn = findings.collect(part, audited, mitigated, oracle)
    found = report.write(part.folder, part.bundle, values, drawn)
    findings.log_report(part, found, audited[0])
    say(f"\n{found.text}\n")
    for line in found.values["recommendations"]:
        say(f"- {line}")
    print(part.folder)
    return part.folder


def load_stage(workspace: Workspace, source: str, name: str, options, profile: str, seed: int) -> Part5:
    """Finds the model, its data, and the answers of the files that Part 4 made of it, if it did."""
    config = PART5[profile]
    load = {"part2": load_images, "part1": load_texts}[source]
    loaded = load(workspace, name, replace(options, seed=seed), command_of(workspace, source, name, profile, seed))
    folder, model = workspace.exports(FOLDERS[source]), loaded.sources[0]
    keep_settings(
        folder / "settings.json",
        {"name": name, "options": loaded.options, "config": asdict(config), "models": loaded.checksums},
    )
    files = _artifact_answers(workspace.root / "exports" / workspace.run / PART4_FOLDERS[source], model)
    if not files:
        say("Part 4 has made no files of this model: the Keras model is audited alone")
    test, card = model.test, loaded.bundle.card
    features, proxies = dict(test.sensitive_features), ()
    if not features:
        features = _proxies(loaded.bundle.test, card.modality)
        proxies = tuple(features)
    people = people_ids(test.group_ids, test.example_ids, card.group_unit)
    answers = {model.label: (model.validation, model.test), **files}
    return Part5(workspace, folder, config, seed, loaded.bundle, loaded.feed, model, answers, features, proxies, people)


def audit_stage(part: Part5) -> list[Audited]:
    """Audits every model and file, in each view of the data set; the main view is the first."""
    say(f"Auditing {len(part.answers)} model(s) by {', '.join(part.features)}")
    return audit_answers(part.answers, part.features, part.people, part.bundle.card, part.settings)


def oracle_stage(part: Part5) -> dict:
    """Tests the audit on predictions with a planted gap, and with none; the same for every data set."""
    path, config = part.folder / "oracle.json", part.config
    if not path.exists():
        say(f"Testing the audit itself on {2 * config.oracle_draws} test splits with a planted gap and with none")
        settings = {"draws": config.oracle_draws, "permutations": config.permutations, "seed": part.seed}
        planted, none = Planted(gap=config.oracle_gap), Planted()
        found = {"planted": alarm_rates(planted, **settings)["planted"], "any": alarm_rates(none, **settings)["any"]}
        write_json(path, {**found, "gap": config.oracle_gap, "examples": none.examples})
    return read_json(path, "the same command")


def mitigation_stage(part: Part5) -> Mitigated | None:
    """Tries every mitigation; None where the data name no feature, or no two groups can be compared."""
    return None if part.proxies else mitigate(part, one_question(part.bundle.card, part.bundle.train.y))


def _artifact_answers(folder: Path, model: Source) -> dict[str, tuple[Predictions, Predictions]]:
    """Returns file name -> its answers on validation and test, of the files made of this model, failed ones aside."""
    found, command = {}, "python -m tfhealth.run part4"
    for record in sorted((folder / "artifacts").glob(f"*{SUFFIX}")):
        artifact = Artifact.load(record, command)
        if artifact.path is None or artifact.run_name != model.run.name:
            continue
        test = Predictions.load(artifact.predictions, command)
        validation = Predictions.load(artifact.predictions.with_suffix(".validation.npz"), command)
        found[artifact.name] = validation, test
    return found


def _proxies(split: Split, modality: str) -> dict[str, np.ndarray]:
    return {"image": image_proxies, "text": text_proxies}[modality](split)
