# %% [markdown]
# # Part 1: medical text, LSTM against Transformer
#
# This notebook opens a finished run (`python -m tfhealth.run all`), loads the trained models and asks them again. It is
# written from `notebooks/part1.py`; the part itself is `tfhealth/parts/part1.py`.
#
# Research software, not a medical device.

# %%
import keras
import numpy as np
from IPython.display import Image, Markdown, display
from tokenizers import Tokenizer

import tfhealth.models.text  # noqa: F401  (its layers must be known when a model is read)
from tfhealth.data.text import load_text_dataset, may_be_shown
from tfhealth.data.text_pipeline import TextFeed
from tfhealth.data.tokens import enough_steps, token_counts, tokenize
from tfhealth.parts.walkthrough import open_part
from tfhealth.training.attention import attention_examples
from tfhealth.training.metrics import classification_scores
from tfhealth.training.predict import predict_logits, predictions_of

part = open_part("part1")
texts = load_text_dataset(part.settings["text"], part.text_options())
print(f"{texts.card.title}: {texts.num_classes} classes")
for name in ("train", "validation", "test"):
    print(f"{name:10} {len(getattr(texts, name)):6} texts")

# %% [markdown]
# ## From texts to tokens
#
# The vocabulary was learnt from the training texts alone. A text becomes a row of ids, 0 for padding.

# %%
tokenizer = Tokenizer.from_file(str(part.folder / "tokenizer.json"))
lengths = token_counts(tokenizer, texts.train.x.take(slice(None)))
steps = enough_steps(lengths, part.settings["config"]["sequence_length"])
bundle = tokenize(texts, tokenizer, steps)
print(f"{tokenizer.get_vocab_size()} word pieces; the median text has {np.median(lengths):.0f}, {steps} are read")

# %% [markdown]
# ## The models
#
# Both are functions in `tfhealth/models/text.py` that return a Keras model.

# %%
models = {
    name: keras.saving.load_model(part.folder / name / "model.keras", compile=False) for name in ("lstm", "transformer")
}
models["lstm"].summary(line_length=100)
models["transformer"].summary(line_length=100)

# %% [markdown]
# ## Asking the models again
#
# The saved models answer the test split once more; the accuracies must be those of the report.

# %%
feed = TextFeed(bundle.num_classes)
for name, model in models.items():
    answers = predictions_of(bundle.test, predict_logits(model, feed, bundle.test))
    accuracy = classification_scores(answers.y_true, answers.y_prob)["accuracy"]
    reported = part.findings.values["models"][name]["test"]["accuracy"]["value"]
    print(f"{name:12} accuracy now {accuracy:.3f}, in the report {reported:.3f}")

# %% [markdown]
# ## Comparison: parameters, training time, accuracy, overfitting

# %%
columns = ["label", "parameters", "seconds", "train_accuracy", "validation_accuracy", "overfitting", "test_accuracy"]
part.table("comparison")[columns].round(3)

# %%
display(Image(part.figure("learning_curves")))

# %% [markdown]
# ## Dropout, L2 and early stopping

# %%
grid = part.table("regularization")
grid[["family", "dropout", "l2", "early_stopping", "train_accuracy", "validation_accuracy", "gap"]].round(
    {"train_accuracy": 3, "validation_accuracy": 3, "gap": 3}
)

# %% [markdown]
# ## Gradients
#
# Norms by layer during training, and how the gradient fades on its way back through the time steps.

# %%
display(Image(part.figure("gradient_norms")))
display(Image(part.figure("time_steps")))

# %% [markdown]
# ## What the Transformer looks at

# %%
if may_be_shown(part.settings["text"]):
    rows = bundle.test.x.take(slice(0, 3))
    for example in attention_examples(models["transformer"], rows, tokenizer.id_to_token):
        strongest = np.argsort(example["weights"])[::-1][:8]
        print(", ".join(f"{example['tokens'][i]} ({example['weights'][i]:.2f})" for i in strongest))
else:
    print("These texts are not public: none is shown.")

# %% [markdown]
# ## Analysis

# %%
Markdown(part.findings.text)
