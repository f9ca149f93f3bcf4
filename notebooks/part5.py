# %% [markdown]
# # Part 5: who is served how well
#
# This notebook opens a finished run (`python -m tfhealth.run all`) and audits the image model's saved answers by group
# once more. It is written from `notebooks/part5.py`; the part itself is `tfhealth/parts/part5.py`.
#
# Research software, not a medical device.

# %%
import pandas as pd
from IPython.display import Image, Markdown, display

from tfhealth.audit.fairness import AuditSettings, audit_model, comparisons
from tfhealth.audit.views import binary_view, is_positive, one_vs_rest, operating_point, positive_score
from tfhealth.parts.walkthrough import open_part
from tfhealth.training.record import Predictions

part = open_part("part5")
images = open_part("part2")
final = images.folder / "final"
saved = {
    split: Predictions.load(final / f"predictions_{split}.npz", "python -m tfhealth.run part2")
    for split in ("validation", "test")
}
data = part.findings.values["data"]
features = saved["test"].sensitive_features
print(f"{len(saved['test'].y_true)} test images; sensitive features: {', '.join(features) or 'none'}")

# %% [markdown]
# ## The question
#
# Where the data say which classes are malignant, the model is asked for these, at the threshold that finds 0.90 of them
# on the validation split; otherwise class by class.

# %%
wanted = [data["class_names"].index(name) for name in data["positive_classes"]]
if wanted:
    validation = saved["validation"]
    threshold = operating_point(is_positive(validation, wanted), positive_score(validation, wanted))
    view = binary_view(saved["test"], wanted, threshold, "malignant")
    print(f"threshold {threshold:.3f}")
else:
    view = one_vs_rest(saved["test"], data["class_names"])

# %% [markdown]
# ## The audit by group
#
# Rates by Fairlearn's MetricFrame; intervals resample whole lesions or patients; small groups are pooled.

# %%
settings = AuditSettings(draws=200, permutations=200, seed=0)
audit = audit_model(view, comparisons(features, view.positive, saved["test"].group_ids, settings))
groups = pd.DataFrame(audit.groups)
columns = ["feature", "group", "units", "accuracy", "recall", "specificity", "roc_auc"]
groups[[name for name in columns if name in groups]].round(3)

# %% [markdown]
# ## Disparities
#
# The gap between two groups, with p-values that permute the labels, corrected for all comparisons.

# %%
disparities = part.table("disparities")
columns = ["feature", "measure", "gap", "gap_low", "gap_high", "p_holm", "alarm"]
disparities[disparities["view"] == disparities["view"].iloc[0]][columns].round(3)

# %%
display(Image(part.figure("gaps")))

# %% [markdown]
# ## Mitigations and their price

# %%
part.table("mitigation_price").round(3) if "mitigation_price" in part.findings.tables else "None was tried."

# %% [markdown]
# ## Ethics report

# %%
Markdown(part.findings.text)

# %% [markdown]
# ## Recommendations

# %%
Markdown("\n".join(f"{number}. {line}" for number, line in enumerate(part.findings.values["recommendations"], 1)))
