"""As config.py, for Part 4."""

from dataclasses import dataclass, replace

from tfhealth.config import Capacity, DistillationTraining, ImageTraining


@dataclass(frozen=True)
class Part4Config:
    """Part 4: compression.

    Attributes:
        techniques: made of an image model, beside the float32 file that all are compared with; see
            parts.part4_techniques. text_techniques: made of each text model.
        tune: fine-tuning after pruning and clustering, and training with quantization.
        sparsities: of magnitude pruning, ascending; the last is also trained with quantization.
        clusters: different weights in each kernel.
        student: what the model is distilled into. distillation: its training. temperatures, mixings: the grid, whose
            every pair gets a training as `trial`.
        examples: training rows that int8 takes the ranges of activations from.
        timed: test rows that speed is measured on. rounds: turns of each file.
        max_mb: of the download, gzipped, in 1e6 bytes. max_ms: of a prediction, one thread. max_drop: of the
            validation accuracy, a fraction; of images in all orientations.
        bootstrap_draws: samples behind every 95 % interval.
    """

    techniques: tuple[str, ...]
    tune: ImageTraining
    sparsities: tuple[float, ...]
    student: Capacity
    distillation: DistillationTraining
    temperatures: tuple[float, ...]
    mixings: tuple[float, ...]
    trial: DistillationTraining
    # int8 crashes the converter on an LSTM and makes a Transformer's attention uniform: its row says so.
    text_techniques: tuple[str, ...] = ("float16", "dynamic", "int8")
    clusters: int = 16  # four bits a weight
    # HAM10000's student in int8 lost 0.031, 0.003 and 0.0005 nats on validation with 50, 100 and 500.
    examples: int = 500
    timed: int = 50
    rounds: int = 50
    bootstrap_draws: int = 1000
    max_mb: float = 1.0  # ten seconds of a slow mobile connection (0.1 MB a second)
    max_ms: float = 10.0  # a camera's 30 frames a second leave 33 ms, and a phone is taken to be three times as slow
    max_drop: float = 0.01  # one patient more in a hundred is classified wrongly


# The student learns too little rather than too much, so hardly any weight decay. On the validation images of HAM10000
# in all eight orientations (teacher 0.815, seed 0, standard error 0.004) two such trainings lost 0.008 and 0.011 of the
# accuracy, with a decay of 0.05 0.011 and 0.013, with half the augmentation 0.011, with averaged weights 0.016, and
# 0.018 with a decay of 0.05 and a teacher that answers each image in one orientation.
STUDENT = DistillationTraining(
    epochs=60, batch_size=64, learning_rate=5e-3, weight_decay=0.005, label_smoothing=0.0, patience=60
)

PART4 = {
    # 3 minutes on 2 cores on the phantom are the aim. A technique's cost there is its tracing, 5 to 8 seconds each, so
    # only those that lead to the smallest and the fastest files are tried.
    "quick": Part4Config(
        techniques=("float16", "dynamic", "int8", "onnx", "prune", "pqat", "distill"),
        tune=ImageTraining(epochs=2, learning_rate=3e-4),
        sparsities=(0.8,),
        student=Capacity("resnet8", 4),  # half of what Part 2 chose on the phantom (seed 0)
        distillation=DistillationTraining(epochs=6, label_smoothing=0.0),
        temperatures=(4.0,),
        mixings=(0.9,),
        trial=DistillationTraining(epochs=2, label_smoothing=0.0),
        rounds=20,
        bootstrap_draws=300,
    ),
    # 20 minutes on 2 cores on HAM10000 are the aim.
    "full": Part4Config(
        techniques=(
            "float16",
            "dynamic",
            "int8",
            "int16",
            "onnx",
            "prune",
            "prune_2_of_4",
            "cluster",
            "qat",
            "pqat",
            "distill",
        ),
        tune=ImageTraining(epochs=2, batch_size=64, learning_rate=3e-4),
        sparsities=(0.5, 0.8),
        student=Capacity("resnet8", 12),  # int8: 23.9 times smaller than ResNet-8 (width 32) in float32, gzipped
        distillation=STUDENT,
        temperatures=(2.0, 4.0),
        mixings=(0.7, 0.9),
        trial=replace(STUDENT, epochs=4, resolutions=((32, 1.0),)),
    ),
}
