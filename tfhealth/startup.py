"""TensorFlow's start: fast kernels, no chatter, and the same bits every time if asked for."""

import logging
import os
import sys

DETERMINISTIC = "TF_DETERMINISTIC_OPS"  # what TensorFlow reads at its start; processes started from here inherit it


def start_tensorflow(debug: bool, deterministic_seed: int | None = None) -> None:
    """Imports TensorFlow, set up for a CPU, without its messages: some are written before any setting is read.

    Args:
        debug: with its messages.
        deterministic_seed: of everything random; the same command on the same machine, with the same number of
            threads, then gives the same bits. None: nothing is seeded here, and operations may be faster.

    oneDNN's convolutions are TensorFlow's default only where the CPU has AVX-512 VNNI; on AVX2 alone they train a
    ResNet 1.4 (64 px) to 2.5 times (32 px) as fast (measured on AMD EPYC, TensorFlow 2.21).
    """
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    if deterministic_seed is not None:
        os.environ[DETERMINISTIC] = "1"
    if not debug:
        _import_quietly()
    if deterministic_seed is not None:
        _make_deterministic(deterministic_seed)


def _make_deterministic(seed: int) -> None:
    """Makes every operation of this process deterministic, tf.data's too, or fail where TensorFlow has no such kernel.

    Then a random operation without a seed is an error, so that one is set before anything is built.
    """
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()


def _import_quietly() -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # it warns of retracing when many models are trained
    sys.stderr.flush()
    stderr, devnull = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, 2)
    try:
        import tensorflow  # noqa: F401
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(devnull)
