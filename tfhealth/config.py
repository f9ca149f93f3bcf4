"""Every number of a run, with its reason. One frozen dataclass per part; profiles `quick` and `full`."""

from dataclasses import dataclass
from typing import ClassVar

PROFILES = ("quick", "full")


@dataclass(frozen=True)
class TrainingConfig:
    """How a model is trained; everything but its architecture and what is particular to images or text.

    Attributes:
        epochs, batch_size, learning_rate (peak), warmup_epochs: AdamW under a cosine schedule with linear warm-up.
        weight_decay: AdamW's decoupled decay. l2: penalty in the loss. dropout: rate inside the model.
        label_smoothing: share of each label spread over the classes.
        balance: tau of the logit-adjusted loss; 0 trains for accuracy, 1 for balanced accuracy.
        final_rate: share of the peak learning rate that the cosine ends at.
        weight_average: momentum per step of the exponential moving average of the weights that is evaluated and kept;
            0 keeps the weights of the last step. See training.averaging.
        clip_norm: longest gradient, over all weights; a longer one is shortened to it. 0 leaves all as they are.
        early_stopping: keep the weights of the epoch with the best validation score, and stop after `patience` epochs
            without a better one; otherwise train all epochs and keep the last weights.
        stop_by: that score, "val_loss" or "val_accuracy". Where a model grows certain before it has learned all that it
            can, its loss rises again while its accuracy still does too.
    """

    epochs: int
    batch_size: int = 32
    learning_rate: float = 2e-3
    warmup_epochs: int = 1
    weight_decay: float = 0.05
    l2: float = 0.0
    dropout: float = 0.0
    label_smoothing: float = 0.05
    balance: float = 0.0
    final_rate: float = 0.01
    weight_average: float = 0.0
    clip_norm: float = 0.0
    early_stopping: bool = True
    patience: int = 10
    stop_by: str = "val_loss"
    consistency: ClassVar[float] = 0.0  # of texts alone, see TextTraining


@dataclass(frozen=True)
class ImageTraining(TrainingConfig):
    """How an image model is trained.

    Attributes:
        augmentation: strength, 0 to about 1.5; see data.image_pipeline.Augmentation. mixup: share of the mixing
            partner.
        resolutions: (image side, share of the epochs) in order, full size in what remains; small images cost a
            fraction of the time (progressive resizing; Tan and Le 2021, arXiv:2104.00298, sec. 4). A training that
            ends on reduced images is scored on reduced images.
    """

    augmentation: float = 0.5
    mixup: float = 0.0
    resolutions: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True)
class DistillationTraining(ImageTraining):
    """How a small image model learns from a large one; see compression.distill.

    Attributes:
        temperature: both models' logits are divided by it. mixing: weight of the teacher against the labels.
        distinct: epochs whose images differ by more than their orientation.
    """

    temperature: float = 4.0
    mixing: float = 0.9
    distinct: int = 3


@dataclass(frozen=True)
class TextTraining(TrainingConfig):
    """How a text model is trained.

    Attributes:
        token_dropout: share of the tokens hidden in training; see data.text_pipeline.
        consistency: weight of the divergence between the two answers to a text under different dropout, see
            training.losses; 0 reads each text once a step.
    """

    token_dropout: float = 0.0
    consistency: float = 0.0


@dataclass(frozen=True)
class TextModel:
    """One architecture of models/text.py.

    Attributes:
        width: units of each direction (recurrent), or of each step (Transformer).
        num_layers, num_heads, context: of the Transformer. skip: of the LSTM.
        training: its settings; the grid varies dropout, l2 and early stopping.
    """

    width: int
    training: TextTraining
    num_layers: int = 1
    num_heads: int = 4
    context: int = 0
    skip: bool = False


@dataclass(frozen=True)
class Part1Config:
    """Part 1: text.

    Attributes:
        notes_size: notes generated when the embedded data are used.
        vocabulary_size: pieces of words at most. sequence_length: tokens of a text that are read at most.
        lstm, transformer: the two families that are compared.
        dropouts, l2s: the grid, searched for each family. grid_epochs: of every trial; without R-Drop, which doubles
            the time.
        finalists: dropout rates whose best trial is trained to the end, with early stopping and without, before one is
            chosen.
        encoder: training of a pretrained encoder's upper layers. encoder_layers: how many. encoder_length: tokens
            that it reads at most.
        probe: training of the one-directional last-state classifiers that vanishing gradients are measured on.
        probe_width, probe_steps: their units, and the tokens that they read, the median text's if that has fewer; texts
            with fewer are left out.
        probe_texts: texts that gradients are averaged over.
        attention_texts: test texts that attention is measured on. texts_shown: of these, drawn token by token.
        bootstrap_draws: samples behind every 95 % interval.
    """

    notes_size: int
    vocabulary_size: int
    sequence_length: int
    lstm: TextModel
    transformer: TextModel
    dropouts: tuple[float, ...]
    l2s: tuple[float, ...]
    grid_epochs: int
    finalists: int
    probe: TextTraining
    encoder: TextTraining = TextTraining(epochs=5, learning_rate=4e-4, weight_decay=0.01, dropout=0.1, clip_norm=1.0)
    encoder_layers: int = 2
    encoder_length: int = 128
    probe_width: int = 32
    probe_steps: int = 100
    probe_texts: int = 200
    attention_texts: int = 200
    texts_shown: int = 5
    bootstrap_draws: int = 1000


@dataclass(frozen=True)
class Capacity:
    """One architecture of models/resnet.py: builder ("resnet8", ...), channels of its first stage, and stem."""

    builder: str
    width: int
    stem: str = "medium"

    @property
    def name(self) -> str:
        return f"{self.builder}_width{self.width}"


@dataclass(frozen=True)
class Part2Config:
    """Part 2: images. The study, the search and the final training share the architecture settings.

    Attributes:
        image_size: side in pixels. phantom_size: images generated when the embedded data are used.
        capacities: from too small to too large, in that order.
        size_fractions: parts of the training split for the learning curves, ascending, the last 1.
        study, search, final: training settings of the study, of every trial, and of the model that is delivered. One
            goes on from the other: trials start with the weights of the study's chosen run, so that they differ in
            regularization alone; the final training starts with the weights of the search's best and keeps its
            regularization. No epoch is wasted.
        desired_score: balanced accuracy on the training data below which a model is said to have high bias.
        tolerated_gap: training minus validation balanced accuracy above which it has high variance.
        trials: KerasTuner trials. views: 8 averages a test image's rotations and mirror images, 1 does not.
        bootstrap_draws: samples behind every 95 % interval.
    """

    image_size: int
    phantom_size: int
    capacities: tuple[Capacity, ...]
    size_fractions: tuple[float, ...]
    study: ImageTraining
    search: ImageTraining
    final: ImageTraining
    trials: int
    desired_score: float = 0.85
    tolerated_gap: float = 0.05
    views: int = 8
    bootstrap_draws: int = 1000
    predictions_shown: int = 10


PART2 = {
    # Under 4 minutes on 2 cores, on the phantom.
    "quick": Part2Config(
        image_size=64,
        phantom_size=1200,  # 840 to train on
        capacities=(Capacity("resnet8", 4), Capacity("resnet8", 8), Capacity("resnet8", 16)),
        size_fractions=(0.125, 0.25, 0.5, 1.0),
        study=ImageTraining(epochs=4),
        search=ImageTraining(epochs=2, learning_rate=1e-3),
        final=ImageTraining(epochs=10, learning_rate=1e-3),
        trials=2,
        bootstrap_draws=300,
    ),
    # 38 to 52 minutes a seed on 2 cores, on HAM10000 (see README.md). Study and search run at 32 px, where an epoch
    # costs less than half; the best model of the search is then trained on at 64 px.
    "full": Part2Config(
        image_size=64,
        phantom_size=6000,
        capacities=(Capacity("resnet8", 8), Capacity("resnet8", 32), Capacity("resnet18", 24)),
        size_fractions=(0.0625, 0.125, 0.25, 1.0),
        study=ImageTraining(epochs=5, resolutions=((32, 1.0),)),
        search=ImageTraining(epochs=5, learning_rate=1e-3, resolutions=((32, 1.0),)),
        # An average of the weights at a rate that stays high was better on validation (accuracy 0.809, AUC 0.949) than
        # the last weights of a rate that falls to nothing (0.802, 0.946).
        final=ImageTraining(
            epochs=60,
            learning_rate=1e-3,
            final_rate=0.3,
            weight_average=0.998,
            patience=20,
            resolutions=((32, 0.4),),
        ),
        trials=6,
    ),
}

# On Ohsumed's validation split (seed 0) the loss of a Transformer with dropout 0.5 was lowest after epoch 5, with an
# accuracy of 0.653; three epochs later, when the loss ended its training, that was 0.692.
ACCURATE = {"stop_by": "val_accuracy", "patience": 5}
# There R-Drop (8 epochs, dropout 0.3, against 10 without it) lowered the least log loss of a Transformer from 1.214 to
# 1.070 and from 1.399 to 1.298 (seeds 0 and 1; accuracy 0.699 and 0.728, 0.667 and 0.675), and that of an LSTM from
# 1.427 to 1.311 (seed 1; 0.609 and 0.638).
R_DROP = {"epochs": 8, "consistency": 3.0}

PART1 = {
    # Under 4 minutes on 2 cores, on the notes. A model that reads needs some 150 steps before it does so at all
    # (validation accuracy after one, two and three epochs: LSTM 0.13, 0.42, 0.51, Transformer 0.10, 0.26, 0.41).
    "quick": Part1Config(
        notes_size=7000,  # 4900 to train on; with 2000 the LSTM stayed at chance
        vocabulary_size=4000,
        sequence_length=260,  # of 235 tokens at the median
        lstm=TextModel(
            width=32,
            training=TextTraining(epochs=3, batch_size=64, learning_rate=5e-3, label_smoothing=0.0, clip_norm=1.0),
        ),
        transformer=TextModel(
            width=64,
            num_heads=2,
            context=9,
            training=TextTraining(epochs=3, batch_size=64, learning_rate=3e-3, label_smoothing=0.0, clip_norm=1.0),
        ),
        dropouts=(0.0, 0.1),
        l2s=(1e-5,),
        grid_epochs=1,  # too few to read: it only shows what `full` does; both dropouts work
        finalists=1,
        probe=TextTraining(epochs=1, batch_size=64, learning_rate=1e-3, clip_norm=1.0),
        bootstrap_draws=300,
    ),
    # For some thousands of real documents.
    "full": Part1Config(
        notes_size=20000,
        vocabulary_size=16000,
        sequence_length=256,  # half of Ohsumed's abstracts have 230 or fewer
        lstm=TextModel(
            width=64,
            skip=True,
            training=TextTraining(learning_rate=3e-3, clip_norm=1.0, token_dropout=0.4, **ACCURATE, **R_DROP),
        ),
        transformer=TextModel(
            width=128,
            num_heads=2,
            training=TextTraining(learning_rate=1e-3, clip_norm=1.0, token_dropout=0.2, **ACCURATE, **R_DROP),
        ),
        dropouts=(0.1, 0.3, 0.5),
        l2s=(0.0, 1e-5, 1e-4),
        grid_epochs=2,
        finalists=3,
        encoder_length=192,  # as accurate on Ohsumed's validation split as 256, and a third less work
        probe=TextTraining(epochs=2, learning_rate=1e-3, clip_norm=1.0),
    ),
}
