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

import bqplot
import bqscales
import ipywidgets
import numpy as np
import torch
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
# eigenvalue, the trace, and a *sharpness*, how much the loss rises within a step of length 0.5 along $\pm v_+$. And the gap between test and training loss.
#
# **Question.** Which of the three will order the models by their gap?

# %%
rows = []
for batch_size in (16, 64, 256, None):
    for seed in (0, 1):
        training = zoo.digits_classifier("mlp", activation="relu", epochs=12, batch_size=batch_size, checkpoints=2, seed=seed)
        objective = training.objective()
        hessian = cw.hessian_directions(objective, seed=SEED)
        trace = cw.estimate_trace(objective, samples=40, seed=SEED)
        rise = cw.slice_loss(objective, hessian[0], span=0.5, resolution=11).values.max() - objective.loss()
        gap = training.objective("test").loss() - objective.loss()
        rows.append((batch_size or len(x), hessian.eigenvalues[0], trace.trace, trace.stderr, rise, gap))
        print(
            f"batch {batch_size or len(x):4d}, seed {seed}: λ_max = {rows[-1][1]:6.2f}, tr(H) = {trace.trace:6.1f} ± {trace.stderr:.1f}, "
            f"sharpness {rise:.3f}, gap {gap:+.3f}, {training.accuracy():.1%} of the test digits right"
        )

# %%
batch_sizes, lambda_max, traces, trace_errors, sharpness, gaps = np.array(rows).T


def scatter(values, label, errors=None):
    scales = {"x": bqscales.LinearScale(), "y": bqscales.LinearScale(), "color": bqscales.ColorScale(scheme="viridis")}
    marks = [bqplot.Scatter(x=values, y=gaps, color=np.log2(batch_sizes), scales=scales, default_size=90, stroke="black")]
    if errors is not None:
        bars = {"x": [[v - e, v + e] for v, e in zip(values, errors, strict=True)], "y": [[g, g] for g in gaps]}
        marks.append(bqplot.Lines(**bars, scales={"x": scales["x"], "y": scales["y"]}, colors=["#888"]))
    axes = [
        bqplot.Axis(scale=scales["x"], label=label, num_ticks=5),
        bqplot.Axis(scale=scales["y"], label="test loss − training loss", orientation="vertical"),
        bqplot.ColorAxis(scale=scales["color"], label="log₂ batch size", side="top"),
    ]
    margin = {"top": 60, "bottom": 45, "left": 65, "right": 15}
    return bqplot.Figure(marks=marks, axes=axes, fig_margin=margin, layout={"width": "33%", "height": "330px"})


ipywidgets.HBox([scatter(lambda_max, "λ_max"), scatter(traces, "tr(H) ± standard error", trace_errors), scatter(sharpness, "sharpness")])

# %%
for name, values in (("λ_max", lambda_max), ("tr(H)", traces), ("sharpness", sharpness)):
    print(f"{name:9s} correlation with the gap over these eight models: {np.corrcoef(values, gaps)[0, 1]:+.2f}")

# %% [markdown]
# None of them does. (The two trained with all digits at once are flat and have a small gap because they have learned least: look at their share of right
# answers.) Eight models of one kind are few, and a correlation is no cause: batch size moves all of these numbers together. That is the honest summary, and it is why the debate
# is open.
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
    print(f"c = {c:4}: loss {objective.loss():.6f}, λ_max = {ends.values[0]:8.2f}, tr(H) = {trace.trace:8.1f} ± {trace.stderr:.1f}")

# %% [markdown]
# The same function, the same test error, and a "flatness" that can be had at any size one likes. A curvature says something only beside the scale of the
# weights that it belongs to, which is why pictures are drawn along normalized directions, and why even they have to be read with care.
#
# ## CIFAR-10, where its files are
#
# Nothing is downloaded here. Where the environment variable `CIFAR10` names the folder `cifar-10-batches-bin`, the same questions can be asked of a ResNet-20:

# %%
folder = os.environ.get("CIFAR10")
if folder is None:
    print("CIFAR10 names no folder: this part is left out")
else:
    images = zoo.load_cifar10(folder, samples=256)
    resnet = cw.Objective(zoo.resnet20(activation="silu"), F.cross_entropy, images.train, batchnorm="recalibrate")
    print(cw.estimate_trace(resnet, method="slices", samples=20, seed=SEED))

# %% [markdown]
# What was shown, checked:

# %%
assert objectives["with shortcuts"].loss() < objectives["without"].loss()
assert (lambda_max > 0).all()
assert (traces > 0).all()
for other in predictions[1:]:
    assert torch.allclose(predictions[0], other, atol=1e-3)
lambdas = [row[0] for row in sharp]
assert max(lambdas) > 3 * min(lambdas)
calm, steep = min(sharp, key=lambda row: row[1]), max(sharp, key=lambda row: row[1])
assert steep[1] - calm[1] > 3 * np.hypot(steep[2], calm[2])
assert max(abs(np.corrcoef(values, gaps)[0, 1]) for values in (lambda_max, traces, sharpness)) < 0.7  # none orders them
assert np.isfinite(gaps).all()
