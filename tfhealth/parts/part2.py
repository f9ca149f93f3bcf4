"""Part 2, medical images: load, study capacities, diagnose, tune by the diagnosis, train, evaluate, explain, report."""

from concurrent.futures import Executor
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import keras
import numpy as np

from tfhealth.config import PART2, Capacity, ImageTraining, Part2Config
from tfhealth.console import say
from tfhealth.data.dataset import DatasetBundle, Split, samples_by_class
from tfhealth.data.image import load_image_dataset
from tfhealth.data.image_pipeline import ImageFeed, pixel_statistics
from tfhealth.data.image_source import ImageOptions
from tfhealth.models.resnet import BUILDERS
from tfhealth.paths import Workspace, keep_settings, read_json
from tfhealth.report import part2 as report
from tfhealth.report.writing import data_values
from tfhealth.training.evaluate import Evaluation, evaluate, summary
from tfhealth.training.fit import train
from tfhealth.training.gradcam import LesionFocus, explain, lesion_focus
from tfhealth.training.metrics import curves
from tfhealth.training.overhead import measure_tracking_cost
from tfhealth.training.record import TrainingRun
from tfhealth.training.tracking import write_hparams, write_report
from tfhealth.tuning.parallel import ALONE, Parallel
from tfhealth.tuning.search import Search, search
from tfhealth.tuning.spaces import HYPERPARAMETERS, direction, sample_config
from tfhealth.tuning.study import Study, diagnose_run, diagnosis_values, epochs_for, study_capacities
from tfhealth.tuning.trials import OBJECTIVE
from tfhealth.tuning.workers import Workers


@dataclass(frozen=True)
class Part2:
    """What the stages share: the run's folders, its settings and its data."""

    workspace: Workspace
    config: Part2Config
    seed: int
    bundle: DatasetBundle

    def build(self, capacity: Capacity, config: ImageTraining) -> keras.Model:
        """Returns the uncompiled model of a capacity; any image side is accepted, so training may start small."""
        return BUILDERS[capacity.builder](
            (None, None, self.bundle.train.x.shape[-1]),
            self.bundle.num_classes,
            width=capacity.width,
            stem=capacity.stem,
            dropout=config.dropout,
            l2=config.l2,
            pixel_statistics=pixel_statistics(self.bundle.train),
        )

    def train(
        self,
        name: str,
        capacity: Capacity,
        split: Split,
        config: ImageTraining,
        *,
        gradients: bool = False,
        start_from: Path | None = None,
        parallel: Parallel = ALONE,
    ) -> TrainingRun:
        """Trains a capacity on a training split, or loads the run that stands there."""
        train_in = partial(
            train,
            name,
            partial(self.build, capacity),
            split,
            self.bundle.validation,
            config,
            ImageFeed.of(config, self.bundle.num_classes),
            num_classes=self.bundle.num_classes,
            seed=self.seed,
            gradients=gradients,
            start_from=start_from,
        )
        folder, log_dir = self.workspace.exports("part2", name), self.workspace.logs("part2", name)
        return parallel.train(train_in, name, config.epochs, folder=folder, log_dir=log_dir)


def run(
    workspace: Workspace,
    *,
    image: str,
    options: ImageOptions,
    profile: str,
    seed: int,
    workers: Workers | None = None,
    parallel: Parallel = ALONE,
) -> Path:
    """Runs the part and returns the folder with findings.json; stages that are finished are not done again.

    Args:
        workers: who trains study and search; None: this process.
        parallel: over how many replicas the final model is trained.
    """
    config = PART2[profile]
    parallel.check(config.final)
    options = replace(options, image_size=config.image_size, phantom_size=config.phantom_size, seed=seed)
    folder = workspace.exports("part2")
    lasting = {name: value for name, value in asdict(options).items() if name != "data_dir"}  # files may move
    say(f"Part 2: {image}, profile {profile}, seed {seed}")
    part = Part2(workspace, config, seed, load_image_dataset(image, options))
    keep_settings(folder / "settings.json", {"image": image, "options": lasting, "config": asdict(config)})

    with (workers or Workers()).pool() as pool:
        study = study_stage(part, pool)
        tuned = tuning_stage(part, study, pool)
    final = final_stage(part, study, tuned, parallel)
    model = keras.saving.load_model(final.model_path, compile=False)
    feed = ImageFeed(part.bundle.num_classes)
    evaluation = evaluate(final, model, feed, part.bundle, views=config.views)
    focus, examples = explanation_stage(part, model, evaluation)
    cost = cost_stage(part, study, tuned)

    say("Writing findings, figures and TensorBoard pictures")
    values = collect_values(part, study, tuned, final, evaluation, focus, cost)
    drawn = collect_drawings(part, study, values["tuning"]["comparison"], final, evaluation, examples)
    findings = report.write(folder, part.bundle, values, drawn)
    test, names = evaluation.variants[evaluation.headline], part.bundle.card.class_names
    logs = workspace.logs("part2", "report")
    write_report(logs, folder, findings.figures, findings.text, test.y_true, test.y_prob, names)
    say(f"\n{findings.text}\n")
    print(folder)
    return folder


def study_stage(part: Part2, pool: Executor | None) -> Study:
    """Trains every capacity on growing parts of the training split and diagnoses each."""
    capacities = {capacity.name: capacity for capacity in part.config.capacities}

    def train_on(name: str, capacity: str, split: Split) -> TrainingRun:
        share = len(split) / len(part.bundle.train)
        config = replace(part.config.study, epochs=epochs_for(share, part.config.study.epochs))
        whole = share == 1  # tracing gradients costs seconds: once a capacity is enough
        return part.train(f"study/{name}", capacities[capacity], split, config, gradients=whole)

    return study_capacities(part.bundle, part.config, part.seed, train_on, pool=pool)


def tuning_stage(part: Part2, study: Study, pool: Executor | None) -> Search:
    """Searches regularization for the chosen capacity, in the direction its diagnosis points to, and takes it apart.

    Every trial goes on from the weights of the study, and so does the training with the defaults it has to beat.
    """
    chosen, start = _capacity(part, study.chosen), study.runs[study.chosen].model_path
    defaults = part.config.search

    def train_trial(name: str, config: ImageTraining) -> TrainingRun:
        trial = part.train(f"tuning/{name}", chosen, part.bundle.train, config, start_from=start)
        scores = {OBJECTIVE: trial.metrics[OBJECTIVE], "validation_accuracy": trial.metrics["validation_accuracy"]}
        hparams = {name: getattr(config, name) for name in HYPERPARAMETERS}
        write_hparams(part.workspace.logs("part2", "tuning", name), hparams, scores)
        return trial

    return search(
        defaults,
        train_trial("defaults", defaults),
        partial(sample_config, base=defaults, towards=direction(study.diagnoses[study.chosen])),
        train_trial,
        max_trials=part.config.trials,
        seed=part.seed,
        directory=part.workspace.tuners("part2") / "search",
        pool=pool,
    )


def final_stage(part: Part2, study: Study, tuned: Search, parallel: Parallel) -> TrainingRun:
    """Trains the best model of the search on to the end, with its regularization, on images of full size."""
    start = tuned.best_run if tuned.improved else tuned.before
    config = replace(part.config.final, **{name: getattr(tuned.best, name) for name in HYPERPARAMETERS})
    capacity = _capacity(part, study.chosen)
    more = {"gradients": True, "start_from": start.model_path, "parallel": parallel}
    return part.train("final", capacity, part.bundle.train, config, **more)


def explanation_stage(part: Part2, model: keras.Model, evaluation: Evaluation) -> tuple[LesionFocus | None, list[dict]]:
    """Returns how much Grad-CAM lies on the lesions (None without masks), and the examples to draw."""
    test, predictions = part.bundle.test, evaluation.variants[evaluation.headline]
    focus = None if test.masks is None else lesion_focus(model, test, predictions.y_pred)
    rng = np.random.default_rng(part.seed)
    shown = rng.choice(len(test), min(part.config.predictions_shown, len(test)), replace=False)
    return focus, explain(model, test, predictions, shown, part.bundle.card.class_names)


def cost_stage(part: Part2, study: Study, tuned: Search) -> dict:
    """Measures what gradient tracking costs on the chosen capacity, side by side in this process."""
    build = partial(part.build, _capacity(part, study.chosen), tuned.best)
    classes = part.bundle.num_classes
    return measure_tracking_cost(
        build, ImageFeed(classes), part.bundle.train, tuned.best, classes, part.workspace.exports("part2")
    )


def collect_values(part: Part2, study, tuned, final, evaluation, focus, cost) -> dict:
    """Returns everything findings.json holds."""
    intervals = {"draws": part.config.bootstrap_draws, "seed": part.seed}
    towards = direction(study.diagnoses[study.chosen])
    return {
        "data": data_values(part.bundle),
        "study": study.values(),
        "tuning": {**tuned.values(**intervals), "towards": towards},
        "training": {
            "config": final.config,
            "parameters": final.parameters,
            "epochs": len(final.history["val_loss"]),
            "best_epoch": final.best_epoch,
            "seconds": final.seconds,
            "versions": final.versions,
        },
        "final_diagnosis": diagnosis_values(diagnose_run(final, part.config, part.seed)),
        "variants": list(evaluation.variants),
        **summary(evaluation, part.bundle.card.class_names, **intervals),
        "focus": None if focus is None else focus.summary(part.bundle.test.group_ids, **intervals),
        "tracking_cost": cost,
    }


def collect_drawings(part: Part2, study, comparison, final, evaluation, examples) -> dict:
    """Returns what only the figures need."""
    runs = {**study.runs, "final": final}
    test = evaluation.variants[evaluation.headline]
    names = part.bundle.card.class_names
    return {
        "samples": samples_by_class(part.bundle.train, names, seed=part.seed),
        "histories": {name: run.history for name, run in runs.items()},
        "best_epochs": {name: run.best_epoch for name, run in runs.items()},
        "regularization": [
            {
                "name": row["setting"].replace("_", " "),
                **{score: _triple(row, score) for score in report.SCORES_COMPARED},
            }
            for row in comparison
        ],
        "curves": curves(test.y_true, test.y_prob, names),
        "examples": examples,
        "gradients": read_json(final.model_path.parent / "gradients.json", "the same command"),
    }


def _triple(row: dict, score: str) -> tuple[float, float, float]:
    return row[score], row[f"{score}_low"], row[f"{score}_high"]


def _capacity(part: Part2, name: str) -> Capacity:
    return next(capacity for capacity in part.config.capacities if capacity.name == name)
