# %% [markdown]
# # Part 3: synthetic medical images
#
# This notebook opens a finished run (`python -m tfhealth.run all`), loads the trained decoder and makes new images. It
# is written from `notebooks/part3.py`; the part itself is `tfhealth/parts/part3.py`.
#
# Research software, not a medical device.

# %%
import keras
import numpy as np
import pandas as pd
from IPython.display import Image, Markdown, display
from PIL import Image as Picture

from tfhealth.parts.walkthrough import open_part
from tfhealth.training.generative import make_images, one_hot, tiled
from tfhealth.training.latents import prior_latents

part = open_part("part3", "part3_gan")
values = part.findings.values
print(f"{values['main']}, {values['latent']} latent dimensions, {values['written']} images written")

# %% [markdown]
# ## Loss curves
#
# For a VAE: reconstruction and KL; for a GAN: the losses of both networks.

# %%
display(Image(part.figure("losses")))

# %% [markdown]
# ## Making images
#
# Points are drawn from the prior, N(0, 1), and decoded with a class. (The run itself draws from a density fitted to
# each class and lets a guide choose among candidates.)

# %%
name = "vae/decoder.keras" if values["model"] == "vae" else "gan/generator.keras"
decoder = keras.saving.load_model(part.folder / name, compile=False)
classes = values["data"]["class_names"]
labels = np.repeat(np.arange(len(classes)), 6)
z = prior_latents(values["latent"], len(classes)).sample(labels, np.random.default_rng(0))
images = make_images(decoder, z, one_hot(labels, len(classes)))
print("one line a class:", ", ".join(classes))
Picture.fromarray(tiled(images, columns=6)).resize((6 * 96, len(classes) * 96))

# %% [markdown]
# ## The samples of the run, each with its nearest training image

# %%
display(Image(part.figure("samples")))

# %% [markdown]
# ## Realistic and diverse?
#
# Beside the synthetic images stand real held-out ones and noise, judged alike.

# %%
realism = part.table("realism")
realism[realism["space"] == "classifier features"][
    ["images", "frechet_distance", "precision", "recall", "density", "coverage"]
].round(3)

# %% [markdown]
# ## Challenges and strategies

# %%
pd.set_option("display.max_colwidth", None)
part.table("challenges")

# %% [markdown]
# ## Privacy: can it be told who was trained on?

# %%
part.table("membership").round(3)

# %% [markdown]
# ## Reflection

# %%
Markdown(part.findings.text)
