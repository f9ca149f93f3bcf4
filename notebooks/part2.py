# %% [markdown]
# # Part 2: medical images, diagnosed and regularized
#
# This notebook opens a finished run (`python -m tfhealth.run all`), loads the trained model, asks it again and explains
# some of its answers. It is written from `notebooks/part2.py`; the part itself is `tfhealth/parts/part2.py`.
#
# Research software, not a medical device.

# %%
import keras
import numpy as np
import pandas as pd
from IPython.display import Image, Markdown, display

from tfhealth.data.image import load_image_dataset
from tfhealth.data.image_pipeline import ImageFeed
from tfhealth.parts.walkthrough import open_part
from tfhealth.training.gradcam import explain
from tfhealth.training.metrics import class_scores, classification_scores, confusion_counts
from tfhealth.training.predict import mirrored_logits, predict_logits, predictions_of

part = open_part("part2")
bundle = load_image_dataset(part.settings["image"], part.image_options())
names = bundle.card.class_names
print(f"{bundle.card.title}, {bundle.card.licence}; split by {bundle.card.group_unit}")
pd.DataFrame(
    {split: np.bincount(getattr(bundle, split).y, minlength=len(names)) for split in ("train", "validation", "test")},
    index=names,
)

# %%
display(Image(part.figure("data")))

# %% [markdown]
# ## The model
#
# A ResNet from `tfhealth/models/resnet.py`: a function that returns a Keras model.

# %%
model = keras.saving.load_model(part.folder / "final" / "model.keras", compile=False)
print(f"chosen capacity: {part.findings.values['study']['chosen']}, {model.count_params():,} parameters")
model.summary(line_length=100)

# %% [markdown]
# ## Capacity, bias and variance
#
# Three capacities on growing parts of the training data; the verdict follows a stated rule.

# %%
print(part.findings.values["study"]["rule"])
pd.DataFrame(part.findings.values["study"]["diagnoses"]).T[["train_score", "validation_score", "gap", "verdict"]]

# %%
display(Image(part.figure("learning_curves")))
display(Image(part.figure("sample_size")))

# %% [markdown]
# ## Regularization: before and after

# %%
columns = ["setting", "train_balanced_accuracy", "balanced_accuracy", "accuracy", "roc_auc", "log_loss"]
part.table("regularization")[columns].round(3)

# %% [markdown]
# ## Asking the model again
#
# Once as it is, and once with the eight ways to lay an image averaged: a lesion has no up or down.

# %%
feed = ImageFeed(bundle.num_classes)
answers = {
    "single_view": predictions_of(bundle.test, predict_logits(model, feed, bundle.test)),
    "averaged_views": predictions_of(bundle.test, mirrored_logits(model, feed, bundle.test)),
}
for name, predictions in answers.items():
    accuracy = classification_scores(predictions.y_true, predictions.y_prob)["accuracy"]
    reported = part.findings.values.get(name, {}).get("accuracy", {}).get("value", float("nan"))
    print(f"{name:15} accuracy now {accuracy:.3f}, in the report {reported:.3f}")

# %% [markdown]
# ## Precision, recall, F1, AUC-ROC and average precision of each class

# %%
test = answers["averaged_views"]
pd.DataFrame(class_scores(test.y_true, test.y_prob, names)).set_index("name").round(3)

# %%
pd.DataFrame(confusion_counts(test.y_true, test.y_pred, len(names)), index=names, columns=names)

# %% [markdown]
# ## Predictions, and where the model looks (Grad-CAM)

# %%
chosen = np.random.default_rng(0).choice(len(bundle.test), 5, replace=False)
for example in explain(model, bundle.test, test, chosen, names):
    print(
        f"true {example['true_name']}, predicted {example['predicted_name']}, p = {example['probability']:.2f}", end=""
    )
    if example["mask"] is not None:
        heat, lesion = example["heatmap"], example["mask"] > 0
        print(f"; {heat[lesion].sum() / heat.sum():.2f} of the heat on the lesion", end="")
    print()

# %%
display(Image(part.figure("predictions")))

# %% [markdown]
# ## Analysis

# %%
Markdown(part.findings.text)
