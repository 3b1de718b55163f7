# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Image classifiers: shortcuts, flatness, and what flatness does not mean
#
# Three claims are made about pictures of loss landscapes: that shortcuts (skip connections) make them smooth, that flat minima generalize, and that one can
# see both. Here we look at each with classifiers of handwritten digits, which train in seconds, and keep the errors in sight.

# %%
import copy
import os
from pathlib import Path

import ipywidgets
import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.display import display
from torch import nn
from torch.nn import functional as F

import curvwidget as cw
from curvwidget import zoo

SEED = 0
(x, y), (x_test, y_test) = zoo.load_digits()

# %% [markdown]
# ## With shortcuts and without
#
# Two deep networks, alike to the last weight, but in one the input of each layer is added to its output.


# %%
class Deep(nn.Module):
    """Twelve layers of 32 units."""

    def __init__(self, shortcuts):
        super().__init__()
        self.shortcuts = shortcuts
        self.first = nn.Linear(64, 32)
        self.layers = nn.ModuleList(nn.Linear(32, 32) for _ in range(12))
        self.last = nn.Linear(32, 10)

    def forward(self, images):
        hidden = F.silu(self.first(images.flatten(1)))
        for layer in self.layers:
            hidden = F.silu(layer(hidden)) + (hidden if self.shortcuts else 0)
        return self.last(hidden)


objectives = {}
for name, shortcuts in (("with shortcuts", True), ("without", False)):
    torch.manual_seed(SEED)
    network = Deep(shortcuts)
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    for _ in range(60):
        optimizer.zero_grad()
        F.cross_entropy(network(x), y).backward()
        optimizer.step()
    objectives[name] = cw.Objective(network, F.cross_entropy, (x, y))
    print(f"{name:15s} N = {objectives[name].n_parameters:,}, loss after 60 steps {objectives[name].loss():.4f}")

# %% [markdown]
# **Question.** The two explorers below are linked: what you choose in one, the other shows as well. Look at random planes first, then at the Hessian's. In which
# of the two views do the networks differ?

# %%
options = {"seed": SEED, "resolution": 31, "planes": 30, "probes": 30, "spectrum_probes": 0}
explorers = {name: cw.explore(objective, **options) for name, objective in objectives.items()}
link = cw.link_explorers(*explorers.values())
explorers["with shortcuts"]

# %% [markdown]
# And the network without them:

# %%
explorers["without"]

# %%
for name, objective in objectives.items():
    ends = cw.extreme_eigenpairs(objective, seed=SEED)
    print(f"{name:15s} λ_max = {ends.values[0]:.3f} ± {ends.residuals[0]:.0e}, λ_min = {ends.values[1]:.4f} ± {ends.residuals[1]:.0e}")

# %% [markdown]
# Note what you compare: the two are at different losses. A network that has learned less is often *flatter*, because it has hardly left its plateau.
#
# ## Do flat minima generalize?
#
# Eight classifiers, trained with small and with large batches from different seeds, until all have seen the digits equally often. For each: the largest
# eigenvalue, the trace, and a *sharpness*, how much the loss rises at the end of a step of length 0.5 along $\pm v_+$, on the steeper side. And the gap
# between test and training loss.
#
# No number without its error: that of $\lambda_{\max}$ is its residual $\lVert Hv - \lambda v\rVert$, that of the trace the standard error over 40 random vectors; sharpness
# and gap are averages over digits, and have the standard error of such averages.
#
# **Question.** Which of the three will order the models by their gap?


# %%
def sample_losses(model, theta, data):
    """The loss of every single digit, with the weights θ."""
    moved = copy.deepcopy(model)
    nn.utils.vector_to_parameters(theta, moved.parameters())
    with torch.no_grad():
        return F.cross_entropy(moved(data[0]), data[1], reduction="none").double().numpy()


def average(losses):
    """Mean and standard error."""
    return losses.mean(), losses.std(ddof=1) / np.sqrt(len(losses))


# %%
batch_sizes, measured = [], {"λ_max": [], "tr(H)": [], "sharpness": [], "gap": []}
for batch_size in (16, 64, 256, None):
    for seed in (0, 1):
        training = zoo.digits_classifier("mlp", activation="relu", epochs=12, batch_size=batch_size, checkpoints=2, seed=seed)
        objective = training.objective()
        ends = cw.extreme_eigenpairs(objective, seed=SEED)
        trace = cw.estimate_trace(objective, samples=40, seed=SEED)
        theta, step = objective.theta, 0.5 * ends.vectors[0]
        here, unseen = (sample_losses(training.model, theta, data) for data in (training.train, training.test))
        rises = [sample_losses(training.model, theta + way * step, training.train) - here for way in (-1, 1)]
        gap, gap_error = unseen.mean() - here.mean(), np.hypot(average(unseen)[1], average(here)[1])
        batch_sizes.append(batch_size or len(x))
        measured["λ_max"].append((ends.values[0], ends.residuals[0]))
        measured["tr(H)"].append((trace.trace, trace.stderr))
        measured["sharpness"].append(average(max(rises, key=np.mean)))
        measured["gap"].append((gap, gap_error))
        said = ", ".join(f"{name} = {values[-1][0]:.3g} ± {values[-1][1]:.1g}" for name, values in measured.items())
        print(f"batch {batch_sizes[-1]:4d}, seed {seed}: {said}; {training.accuracy():.1%} of the test digits right")

# %% alt="Three plots of the gap between test and training loss of eight classifiers, over λ_max, tr(H) and sharpness, each with error bars; no order is seen"
measured = {name: np.array(values).T for name, values in measured.items()}
gaps, gap_errors = measured["gap"]
with plt.rc_context({"font.size": 12}):
    figure, panels = plt.subplots(1, 3, figsize=(11, 3.8), sharey=True, layout="constrained")
for panel, name in zip(panels, ("λ_max", "tr(H)", "sharpness"), strict=True):
    for size, marker, color in zip((16, 64, 256, len(x)), "osD^", ("#440154", "#31688e", "#35b779", "#b8a000"), strict=True):
        mine = np.array(batch_sizes) == size
        values, errors = measured[name][:, mine]
        bars = {"xerr": errors, "yerr": gap_errors[mine], "capsize": 3, "markersize": 8}
        panel.errorbar(values, gaps[mine], **bars, fmt=marker, color=color, label=f"batch {size:,}")
    panel.set_xlabel({"λ_max": "λ_max ± residual"}.get(name, f"{name} ± standard error"))
panels[0].set_ylabel("test loss − training loss")
panels[0].legend(fontsize=10)
plt.show()

# %%
correlations = {name: np.corrcoef(measured[name][0], gaps)[0, 1] for name in ("λ_max", "tr(H)", "sharpness")}
for name, correlation in correlations.items():
    print(f"{name:9s} correlation with the gap over these eight models: {correlation:+.2f}")

# %% [markdown]
# None of them does: between eight pairs of numbers that have nothing to do with each other, correlations up to ±0.7 come up in 19 of 20 cases. And look at the bars:
# most of the gaps differ by less than their errors. (The two trained with all digits at once are flat and have a small gap because they have learned least: look at
# their share of right answers.) Eight models of one kind are few, and a correlation is no cause: batch size moves all of these numbers together. That is the honest
# summary, and it is why the debate is open.
#
# ## Why flatness alone can mean nothing
#
# A ReLU passes a positive factor through: $\mathrm{relu}(c\,z) = c\,\mathrm{relu}(z)$. Multiply the first layer by $c$ and divide the second one by $c$: the network
# computes *the same function*.
#
# **Question.** What happens to $\lambda_{\max}$ and to the trace?

# %%
classifier = zoo.digits_classifier("mlp", activation="relu", epochs=12, checkpoints=2, seed=SEED).model


def rescaled(c):
    other = copy.deepcopy(classifier)
    with torch.no_grad():
        other[1].weight.mul_(c)
        other[1].bias.mul_(c)
        other[3].weight.div_(c)
    return other


factors, sharp, predictions = (0.25, 1.0, 4.0), [], []
for c in factors:
    network = rescaled(c)
    objective = cw.Objective(network, F.cross_entropy, (x, y))
    ends = cw.extreme_eigenpairs(objective, seed=SEED)
    trace = cw.estimate_trace(objective, samples=40, seed=SEED)
    with torch.no_grad():
        predictions.append(network(x_test))
    sharp.append((ends.values[0], trace.trace, trace.stderr))
    said = f"λ_max = {ends.values[0]:8.2f} ± {ends.residuals[0]:.0e}, tr(H) = {trace.trace:8.1f} ± {trace.stderr:.1f}"
    print(f"c = {c:4}: loss {objective.loss():.6f}, {said}")

# %% [markdown]
# The same function, the same test error, and a "flatness" that can be had at any size one likes. A curvature says something only beside the scale of the
# weights that it belongs to, which is why pictures are drawn along normalized directions, and why even they have to be read with care.
#
# ## CIFAR-10, where its files are
#
# Does any of this hold for photographs? Nothing is downloaded here; but where the folder `data` beside this notebook, or the one that the environment variable
# `CURVWIDGET_CIFAR10` names, holds CIFAR-10's binary version (`cifar-10-batches-bin`), the next cell asks the first question again, of a ResNet-20 with shortcuts and of one
# without: 270,000 parameters, a short training, and curvatures on a few images, so that it takes a minute or two.


# %%
def find_cifar10():
    """The folder that somebody named, else `data` where the files are, else None."""
    return os.environ.get("CURVWIDGET_CIFAR10") or ("data" if Path("data/cifar-10-batches-bin").is_dir() else None)


def compare_resnets(folder, samples=5000, steps=60, batch=64, images=32):
    """Print curvatures and gap of both networks; return the maps of their Hessian planes."""
    cifar = zoo.load_cifar10(folder, samples=samples)
    x, y = cifar.train
    maps = []
    for name, shortcuts in (("with shortcuts", True), ("without", False)):
        network = zoo.resnet20(shortcuts=shortcuts, activation="silu", seed=SEED)
        optimizer = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9)
        generator = torch.Generator().manual_seed(SEED)
        for _ in range(steps):
            chosen = torch.randint(len(x), (batch,), generator=generator)
            optimizer.zero_grad()
            F.cross_entropy(network(x[chosen]), y[chosen]).backward()
            optimizer.step()
        network.eval()
        few = [(data[0][:images], data[1][:images]) for data in (cifar.train, cifar.test)]
        objective = cw.Objective(network, F.cross_entropy, few[0])
        here, unseen = (average(sample_losses(network, objective.theta, data)) for data in few)
        hessian = cw.hessian_directions(objective, tol=1e-2, seed=SEED)
        trace = cw.estimate_trace(objective, method="slices", samples=20, seed=SEED)
        (largest, smallest), residuals = hessian.eigenvalues, hessian.residuals
        print(f"{name}: N = {objective.n_parameters:,}, loss {here[0]:.3f} ± {here[1]:.3f} on {images} images")
        print(f"   λ_max = {largest:.4g} ± {residuals[0]:.1g}, λ_min = {smallest:.4g} ± {residuals[1]:.1g}")
        print(f"   tr(H) = {trace.trace:.4g} ± {trace.stderr:.2g}, gap {unseen[0] - here[0]:+.3f} ± {np.hypot(unseen[1], here[1]):.3f}")
        maps.append(cw.LossMap(cw.slice_loss(objective, hessian, resolution=9), title=f"ResNet-20 {name}", layout={"width": "49%", "height": "360px"}))
    return ipywidgets.HBox(maps)


folder = find_cifar10()
if folder is None:
    print("no CIFAR-10 here: this part is left out")
else:
    display(compare_resnets(folder))

# %% [markdown]
# What was shown, checked:

# %%
assert objectives["with shortcuts"].loss() < objectives["without"].loss()
assert all((values > 4 * errors).all() for values, errors in (measured[name] for name in ("λ_max", "tr(H)", "sharpness")))
assert max(map(abs, correlations.values())) < 0.707  # the 5 % point for eight pairs: none orders the models
for other in predictions[1:]:
    assert torch.allclose(predictions[0], other, atol=1e-3)
lambdas = [row[0] for row in sharp]
assert max(lambdas) > 3 * min(lambdas)
calm, steep = min(sharp, key=lambda row: row[1]), max(sharp, key=lambda row: row[1])
assert steep[1] - calm[1] > 3 * np.hypot(steep[2], calm[2])
