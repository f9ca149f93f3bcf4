"""Part 3, synthetic data: train a VAE or a GAN, make lesions, judge them, put them to use, see what they give away.

The same for patient records, see part3_tabular. What it leaves in exports/<run>/part3/ (with --model gan: part3_gan/):

    guide/, vae/, plain/ or gan/, useful/      trainings; a killed one goes on from its last epoch
    records/vae_<seed>/                        those of the records
    synthetic/images/<class>/*.png, card.md    the synthetic images, each marked in its metadata
    synthetic/records.csv                      the synthetic records, marked in their first column
    synthetic/records_epsilon_<epsilon>.csv    others, of generators trained with differential privacy
    findings.json, tables, figures, analysis.md, challenges.md
"""

from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import keras
import numpy as np

from tfhealth.config_part3 import PART3, GenerativeTraining, Part3Config
from tfhealth.console import say
from tfhealth.data.image_source import ImageOptions
from tfhealth.data.synthetic_files import write_synthetic_images
from tfhealth.data.tabular import RecordOptions, load_records
from tfhealth.parts import part3_findings as findings
from tfhealth.parts.part3_judging import Made, Yardstick, make
from tfhealth.parts.part3_private import epsilons_of, private_records
from tfhealth.parts.part3_sources import Judge, Part3
from tfhealth.parts.part3_tabular import run_tabular
from tfhealth.parts.part3_usefulness import usefulness
from tfhealth.parts.saved_models import command_of, load_images
from tfhealth.paths import Workspace, keep_settings
from tfhealth.report import part3 as report
from tfhealth.training.gan import train_gan
from tfhealth.training.record import TrainingRun
from tfhealth.training.vae import train_vae
from tfhealth.tuning.parallel import ALONE, Parallel

FOLDERS = {"vae": "part3", "gan": "part3_gan"}  # one run may hold both


def run(
    workspace: Workspace,
    *,
    image: str,
    options: ImageOptions,
    profile: str,
    seed: int,
    model: str = "vae",
    records: str = "breast_cancer",
    epsilon: str | None = None,
    parallel: Parallel = ALONE,
) -> Path:
    """Runs the part and returns the folder with findings.json; trainings that are finished are not done again.

    Args:
        options: the same that Part 2's model was made with; it judges.
        model: "vae" or "gan".
        records: the table that synthetic records are made of, see data.tabular; a csv's columns are named in `options`.
        epsilon: guarantees of differential privacy for records, "1,8"; None: none.
        parallel: over how many replicas the image models are trained.
    """
    epsilons = epsilons_of(epsilon)
    parallel.check(*generator_configs(PART3[profile], model).values())
    say(f"Part 3: {image}, {model.upper()}, profile {profile}, seed {seed}")
    table = load_records(records, record_options(options, seed))
    part = load_stage(workspace, image, options, profile, seed, model)
    guide = guide_stage(part)
    runs = training_stage(part, guide, parallel)
    yardstick = Yardstick.of(part)
    say("Making and judging synthetic images")
    made = synthesis_stage(part, runs, guide, yardstick)
    files_stage(part, made[0])
    tabular, drawn_records = run_tabular(part, table, profile)
    tabular["private"] = private_records(part, table, profile, epsilons, tabular) if epsilons else []
    values = findings.collect(part, yardstick, made) | {"records": tabular}
    say("Training classifiers with, on and without synthetic images")
    values["usefulness"] = usefulness(part, made[0])

    say("Writing findings, figures and TensorBoard pictures")
    drawn = findings.collect_drawings(part, yardstick, made) | {"records": drawn_records}
    found = report.write(part.folder, part.bundle, values, drawn)
    findings.log_report(part, found, made[0])
    say(f"\n{found.text}\n")
    print(part.folder)
    return part.folder


def load_stage(workspace: Workspace, image: str, options, profile: str, seed: int, model: str) -> Part3:
    """Finds Part 2's model and its data; without them an error names the command that makes them."""
    config, command = PART3[profile], command_of(workspace, "part2", image, profile, seed)
    loaded = load_images(workspace, image, replace(options, seed=seed), command)
    folder = workspace.exports(FOLDERS[model])
    keep_settings(
        folder / "settings.json",
        {"image": image, "options": loaded.options, "config": asdict(config), "models": loaded.checksums},
    )
    source = loaded.sources[0]
    return Part3(workspace, folder, config, seed, model, loaded.bundle, Judge.of(source.model, source.label))


def record_options(options: ImageOptions, seed: int) -> RecordOptions:
    """Returns how the table of records is read: where the images' data lie, by the names of their columns."""
    return RecordOptions(
        data_dir=options.data_dir,
        seed=seed,
        label_column=options.label_column,
        group_column=options.group_column,
        split_column=options.split_column,
    )


def guide_stage(part: Part3) -> keras.Model:
    """Trains the classifier that may help the generator, on real training images."""
    run = part.classifier("guide", part.config.guide, part.bundle.train, part.config.guide_training)
    return keras.saving.load_model(run.model_path, compile=False)


def generator_configs(config: Part3Config, model: str) -> dict[str, GenerativeTraining]:
    """Returns name -> settings of the generator, and of the VAE the plain one that shows what its remedies do."""
    return {"gan": config.gan} if model == "gan" else {"vae": config.vae, "plain": config.plain}


def training_stage(part: Part3, guide: keras.Model, parallel: Parallel) -> dict[str, TrainingRun]:
    """Trains what `generator_configs` names, in that order."""
    runs = {}
    for name, config in generator_configs(part.config, part.model).items():
        if part.model == "gan":
            train_in = partial(train_gan, name, part.bundle, config, seed=part.seed)
        else:
            train_in = partial(train_vae, name, part.bundle, config, guide, seed=part.seed)
        places = {"folder": part.folder / name, "log_dir": part.logs(name)}
        runs[name] = parallel.train(train_in, name, config.epochs, **places)
    return runs


def synthesis_stage(part: Part3, runs: dict[str, TrainingRun], guide: keras.Model, yardstick: Yardstick) -> list[Made]:
    """Makes images: with all help, without any, and of the plain VAE, in the class mix of real validation images."""
    labels, main = yardstick.other.y, next(iter(runs.values()))
    made = [make(part, main, labels, guide, fitted=part.model == "vae"), make(part, main, labels, None, fitted=False)]
    return made + [make(part, run, labels, None, fitted=False) for name, run in runs.items() if name == "plain"]


def files_stage(part: Part3, made: Made) -> None:
    """Writes the images of the main generator, the same number of each class."""
    facts = {
        "software": "tfhealth",
        "made by": f"{part.model.upper()}, seed {part.seed}",
        "trained on": part.bundle.card.title.encode("latin-1", "replace").decode("latin-1"),
        "licence": part.bundle.card.licence.encode("latin-1", "replace").decode("latin-1"),
    }
    names = part.bundle.card.class_names
    counts = np.bincount(made.each_labels, minlength=len(names))
    say(f"Writing {counts.sum()} synthetic images")
    write_synthetic_images(part.folder / "synthetic" / "images", made.each_images, made.each_labels, names, facts)
