"""Part 3's records with differential privacy: generators trained with DP-SGD, and what each epsilon costs them."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path

from tfhealth.config_part3 import TABULAR, TabularConfig
from tfhealth.console import say
from tfhealth.data.synthetic_files import write_synthetic_records
from tfhealth.data.tabular import Records
from tfhealth.errors import UserError
from tfhealth.parts.part3_judging import flat
from tfhealth.parts.part3_sources import Part3
from tfhealth.parts.part3_tabular import MadeRecords, load_parts, privacy, realism, suspicion, usefulness
from tfhealth.training.private import Privacy
from tfhealth.training.tabular import encoding_of, private_generator_of, train_tabular_vae

LEAST, MOST = 0.01, 100.0  # epsilon; below nothing is learned, above nothing is promised


def epsilons_of(text: str | None) -> tuple[float, ...]:
    """Returns "1,8" as numbers, none of None; UserError if they are none or out of range."""
    try:
        found = tuple(float(part) for part in (text or "").split(",") if text)
    except ValueError:
        raise UserError(f"--epsilon {text}: give numbers separated by commas, as in 1,8") from None
    if any(not LEAST <= epsilon <= MOST for epsilon in found) or len(set(found)) < len(found):
        raise UserError(f"--epsilon {text}: give different numbers between {LEAST:g} and {MOST:g}")
    return found


def private_records(
    part: Part3, records: Records, profile: str, epsilons: tuple[float, ...], unprotected: dict
) -> list[dict]:
    """Writes synthetic/records_epsilon_<epsilon>.csv; returns one row an epsilon, after that of the generator without.

    Args:
        epsilons: one guarantee each, for each record.
        unprotected: what part3_tabular found of the generator that was trained without any.
    """
    config = TABULAR[profile]
    rows = [_row("records.csv", None, unprotected["realism"], unprotected["usefulness"], unprotected["privacy"])]
    for epsilon in epsilons:
        say(f"Making and judging synthetic records with differential privacy, epsilon {epsilon:g}")
        rows.append(_private_row(part, records, config, epsilon))
    return rows


def _private_row(part: Part3, records: Records, config: TabularConfig, epsilon: float) -> dict:
    train, seed, training = records.bundle.train, part.seed, config.private
    training = replace(training, batch_size=max(1, round(config.private_rate * len(train))))
    grant = Privacy.calibrated(
        epsilon,
        config.delta,
        clip=config.clip,
        records=len(train),
        batch_size=training.batch_size,
        epochs=training.epochs,
    )
    folder = part.folder / "records" / f"private_{epsilon:g}"
    config = replace(config, private=training)
    made = [_make(part, records, config, folder, number, grant) for number in range(seed, seed + config.seeds)]
    path = part.folder / "synthetic" / f"records_epsilon_{epsilon:g}.csv"
    write_synthetic_records(path, records, made[0].x, train.y)
    encoding = encoding_of(records, private=False)  # the one that all records are judged in
    return _row(
        path.name,
        grant,
        realism(records, encoding, made[0].x, config, seed),
        usefulness(records, made, config, seed),
        privacy(records, encoding, made[0].x, config, seed, suspicion(records, made[0])),
    )


def _make(part: Part3, records: Records, config: TabularConfig, folder: Path, seed: int, grant: Privacy) -> MadeRecords:
    name = f"vae_{seed}"
    run = train_tabular_vae(
        f"records {folder.name} {name}",
        records,
        config.private,
        seed=seed,
        folder=folder / name,
        log_dir=part.logs(f"records_{folder.name}_{name}"),
        privacy=grant,
    )
    parts = load_parts(folder / name)
    generator = private_generator_of(parts, records)
    return MadeRecords(run, parts, generator, generator.make(records.bundle.train.y, seed))


def _row(
    file: str, grant: Privacy | None, realism: Sequence[dict], usefulness: Mapping, privacy: Mapping
) -> dict[str, object]:
    """Returns what one generator grants and what it costs, flat: a score, its _low and _high."""
    scores = {
        row["classifier"].replace(" ", "_"): (row["value"], row["low"], row["high"])
        for row in usefulness["roc_auc"]
        if row["trained_on"] == "synthetic"
    }
    attack = next(row for row in privacy["membership"] if row["attacker_has"] == "the model")
    scores["membership_auc"] = attack["auc"], attack["auc_low"], attack["auc_high"]
    (near,) = (row for row in realism if row["records"] == "synthetic")
    distance = {name: near[name] for name in near if name.startswith("frechet_distance")}
    granted = dict.fromkeys(field.name for field in fields(Privacy)) if grant is None else asdict(grant)
    return {"file": file, **granted, **flat(scores), **distance, "alarms": privacy["alarms"], "tests": privacy["tests"]}
