"""Part 3's patient records: train tabular VAEs, make records, judge them, put them to use, see what they give away."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import keras
import numpy as np

from tfhealth.audit.anonymity import AttackRisk, attribute_inference, singling_out
from tfhealth.audit.privacy import closest_record, memorisation_rate, nearest_distance
from tfhealth.audit.realism import frechet_distance, neighbourhoods_with_intervals, with_interval
from tfhealth.audit.records import association_gap, column_distances, shuffled_columns
from tfhealth.config_part3 import TABULAR, TabularConfig
from tfhealth.console import say
from tfhealth.data.dataset import Split
from tfhealth.data.synthetic_files import write_synthetic_records
from tfhealth.data.tabular import Records
from tfhealth.data.tabular_encoding import Encoding
from tfhealth.parts.part3_findings import training_values
from tfhealth.parts.part3_judging import CALLINGS, NEIGHBOURS, flat, privacy_values
from tfhealth.parts.part3_sources import Part3
from tfhealth.parts.part3_usefulness import over_seeds, paired
from tfhealth.paths import keep_settings
from tfhealth.report.writing import data_values
from tfhealth.training.collapse import diagnose_collapse
from tfhealth.training.generative import one_hot
from tfhealth.training.record import TrainingRun
from tfhealth.training.record_classifiers import BUILDERS, auc_draws, label_probabilities
from tfhealth.training.tabular import (
    RecordGenerator,
    encoded,
    generator_of,
    posteriors,
    record_errors,
    train_tabular_vae,
)

DRAWN = 12  # columns in the figure, at most


@dataclass(frozen=True)
class MadeRecords:
    """A finished generator and the records it made, in the class mix of training.

    Attributes:
        run: its training. parts: name -> trained model. x: (training records, columns).
    """

    run: TrainingRun
    parts: Mapping[str, keras.Model]
    generator: RecordGenerator
    x: np.ndarray


def run_tabular(part: Part3, records: Records, profile: str) -> tuple[dict, dict]:
    """Writes synthetic/records.csv; returns what findings.json holds of it, and what only the figures need.

    Args:
        part: its folder, logs and seed.
        records: the real ones.
    """
    say(f"Making and judging synthetic records: {records.bundle.card.name}")
    config, folder, train = TABULAR[profile], part.folder / "records", records.bundle.train
    content = hashlib.sha256(b"".join(_values(split).tobytes() for split in (train, records.bundle.test)))
    keep_settings(
        folder / "settings.json",
        {"records": records.bundle.card.name, "config": asdict(config), "seed": part.seed, "data": content.hexdigest()},
    )
    made = [make_records(part, records, config, folder, seed) for seed in range(part.seed, part.seed + config.seeds)]
    write_synthetic_records(part.folder / "synthetic" / "records.csv", records, made[0].x, train.y)
    columns = column_values(records, made[0].x, config, part.seed)
    values = {
        "data": {**data_values(records.bundle), "columns": len(records.columns), "label": records.label},
        "training": training_values(made[0].run),
        "written": len(made[0].x),
        "collapse": collapse(records, made[0], part.seed),
        "columns": columns,
        "realism": realism(records, made[0].generator.encoding, made[0].x, config, part.seed),
        "usefulness": usefulness(records, made, config, part.seed),
        "privacy": privacy(
            records, made[0].generator.encoding, made[0].x, config, part.seed, suspicion(records, made[0])
        ),
    }
    worst = sorted(range(len(columns)), key=lambda place: -columns[place]["distance"])[:DRAWN]
    drawn = {
        "histories": {"tabular VAE": made[0].run.history},
        "columns": [_drawn_column(records, made[0].x, place) for place in sorted(worst)],
    }
    return values, drawn


def make_records(part: Part3, records: Records, config: TabularConfig, folder: Path, seed: int) -> MadeRecords:
    """Trains a generator with a seed, or loads it, and lets it make as many records as there are in training."""
    name, log_dir = f"vae_{seed}", part.logs(f"records_vae_{seed}")
    vae = replace(config.vae, batch_size=max(config.vae.batch_size, len(records.bundle.train) // config.batches))
    run = train_tabular_vae(f"records {name}", records, vae, seed=seed, folder=folder / name, log_dir=log_dir)
    parts = load_parts(folder / name)
    generator = generator_of(parts, records, seed)
    return MadeRecords(run, parts, generator, generator.make(records.bundle.train.y, seed))


def load_parts(folder: Path) -> dict[str, keras.Model]:
    """Returns name -> model of a finished training."""
    return {path.stem: keras.saving.load_model(path, compile=False) for path in sorted(folder.glob("*.keras"))}


def collapse(records: Records, made: MadeRecords, seed: int) -> dict:
    """Returns the diagnosis of posterior collapse on test records."""
    test = encoded(records.bundle.test, made.generator.encoding)
    return asdict(diagnose_collapse(*posteriors(made.parts["encoder"], test, records.bundle.num_classes), seed=seed))


def column_values(records: Records, made: np.ndarray, config: TabularConfig, seed: int) -> list[dict]:
    """Returns one row a column: the distance of synthetic to real test records, and that of real training records."""
    test, names = _values(records.bundle.test), [column.name for column in records.columns]
    settings = {"draws": config.draws, "seed": seed}
    rows, yardstick = (
        column_distances(test, x, names, records.categorical, **settings) for x in (made, _values(records.bundle.train))
    )
    return [row | {"distance_between_real": real["distance"]} for row, real in zip(rows, yardstick, strict=True)]


def realism(records: Records, encoding: Encoding, made: np.ndarray, config: TabularConfig, seed: int) -> list[dict]:
    """Returns a row for each set of records, all as many: distances and neighbourhoods to real test records.

    Yardsticks: real training records, the best there is; their columns shuffled, each right and none together.
    """
    train, rng = records.bundle.train, np.random.default_rng(seed)
    target = vectors(records, encoding, _values(records.bundle.test), records.bundle.test.y)
    count, shuffled = min(len(target), len(train)), shuffled_columns(np.column_stack([_values(train), train.y]), seed)
    sets = {
        "synthetic": vectors(records, encoding, made, train.y),
        "real training": vectors(records, encoding, _values(train), train.y),
        "real, columns shuffled": vectors(records, encoding, shuffled[:, :-1], shuffled[:, -1].astype(int)),
    }
    rows, draws = [], {"draws": config.draws, "seed": seed}
    for name, features in sets.items():
        found = features[rng.permutation(len(features))[:count]]
        frechet = with_interval(frechet_distance, target, found, **draws)
        scores = {
            "frechet_distance": (frechet.value, max(frechet.low, 0.0), frechet.high),
            **neighbourhoods_with_intervals(target, found, NEIGHBOURS, **draws),
        }
        rows.append({"records": name, **flat(scores), "association_gap": association_gap(target, found)})
    return rows


def usefulness(records: Records, made: list[MadeRecords], config: TabularConfig, seed: int) -> dict:
    """Returns what classifiers trained on real and on synthetic records reach on real test records.

    One of each kind for every generator; `change` is synthetic less real, paired by seed and by test record.
    """
    train, test, rows, change = records.bundle.train, records.bundle.test, [], {}
    for builder in BUILDERS:
        scored = {"real": [], "synthetic": []}
        for number, one in enumerate(made):
            for kind, x in (("real", _values(train)), ("synthetic", one.x)):
                y_prob = label_probabilities(builder, records, x, train.y, seed=number)
                scored[kind].append(auc_draws(test, y_prob, draws=config.bootstrap_draws, seed=seed))
        rows += [{"classifier": builder, "trained_on": kind, **over_seeds(found)} for kind, found in scored.items()]
        change[builder] = over_seeds(paired(scored["synthetic"], scored["real"]))
    return {"seeds": len(made), "roc_auc": rows, "change": change}


def privacy(
    records: Records,
    encoding: Encoding,
    made: np.ndarray,
    config: TabularConfig,
    seed: int,
    suspicion: tuple[np.ndarray, np.ndarray] | None = None,
) -> dict:
    """Returns copies, memorisation and attacks on synthetic records, each against held-out (test) records.

    Args:
        made: (training records, columns), in the order of their labels.
        suspicion: (training records,), (test records,) what the model itself speaks for having been trained on; None:
            no model to attack.
    """
    train, test = records.bundle.train, records.bundle.test
    tables = [np.column_stack([x, y]) for x, y in ((_values(train), train.y), (_values(test), test.y), (made, train.y))]
    known, others, found = (vectors(records, encoding, table[:, :-1], table[:, -1].astype(int)) for table in tables)
    groups = np.concatenate([train.group_ids, test.group_ids])
    closest = closest_record(known, others, found, group_ids=groups, draws=CALLINGS, seed=seed)
    attacks = {"released records": [-nearest_distance(people, found) for people in (known, others)]}
    attacks |= {} if suspicion is None else {"the model": suspicion}
    settings = {"draws": config.bootstrap_draws, "seed": seed}
    values = privacy_values(closest, memorisation_rate(known, others, found), attacks, settings)
    kinds, names = [*records.categorical, True], [*(column.name for column in records.columns), records.label]
    secrets = [len(names) - 1, *range(min(config.secrets, len(names) - 1))]
    rows = [
        _risk_row(
            "attribute inference",
            names[secret],
            attribute_inference(*tables, kinds, secret, attacks=config.attacks, seed=seed),
        )
        for secret in secrets
    ]
    rows.append(_risk_row("singling out", "", singling_out(*tables, kinds, attacks=config.attacks // 2, seed=seed)))
    values["tests"] += len(rows)
    values["alarms"] += sum(row["flagged"] for row in rows)
    return {**values, "attacks": rows}


def suspicion(records: Records, made: MadeRecords) -> tuple[np.ndarray, np.ndarray]:
    """Returns minus the error with which the model rebuilds each training and each test record."""
    encoding = made.generator.encoding
    train, test = (encoded(split, encoding) for split in (records.bundle.train, records.bundle.test))
    return -record_errors(made.parts, made.generator, train), -record_errors(made.parts, made.generator, test)


def vectors(records: Records, encoding: Encoding, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Returns (n, d) in which distance means something: normal scores, and 1 between two categories or labels."""
    found = np.concatenate([encoding.encode(x), one_hot(y, records.bundle.num_classes)], axis=1).astype(np.float64)
    found[:, len(encoding.numeric) :] /= np.sqrt(2)
    return found


def _drawn_column(records: Records, made: np.ndarray, place: int) -> dict:
    column = records.columns[place]
    sets = {"real": _values(records.bundle.train)[:, place], "synthetic": made[:, place]}
    return {"name": column.name, "categories": column.categories, **sets}


def _risk_row(attack: str, secret: str, found: AttackRisk) -> dict:
    scores = {name: getattr(found, name) for name in ("success", "control", "risk")}
    return {"attack": attack, "secret": secret, "attacks": found.attacks, **flat(scores), "flagged": found.flagged}


def _values(split: Split) -> np.ndarray:
    return split.x.take(slice(None))
