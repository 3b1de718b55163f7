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
# # Along a training run
#
# A checkpoint is one point of a loss landscape, and training is a way through it. This lecture follows a small classifier of handwritten digits from
# its random start to its end: what the curvatures do on the way, how much of the way a picture of two axes can show, and how the landscape of data
# that the network has never seen compares.

# %%
import matplotlib.pyplot as plt
import numpy as np

import curvwidget as cw
from curvwidget import zoo

SEED = 0
training = zoo.digits_classifier("conv", activation="silu", epochs=12, checkpoints=5, seed=SEED)  # 1,898 parameters
for checkpoint in training.checkpoints:
    print(f"epoch {checkpoint.epoch:2d}: loss {checkpoint.train_loss:.3f} on training, {checkpoint.test_loss:.3f} on test data")

# %% [markdown]
# ## The curvatures on the way
#
# **Question.** Training lowers the loss. What will it do to the largest eigenvalue $\lambda_{\max}$, to the trace, and to the smallest eigenvalue
# $\lambda_{\min}$: does the network end in a flatter place than it began in? And does it end in a minimum?

# %%
objective = training.objective()
epochs, largest, smallest, traces = [], [], [], []  # each number with its error
for checkpoint in training.checkpoints:
    here = objective.at(checkpoint.theta)
    ends = cw.extreme_eigenpairs(here, seed=SEED)
    trace = cw.estimate_trace(here, samples=40, seed=SEED)
    epochs.append(checkpoint.epoch)
    largest.append((ends.values[0], ends.residuals[0]))
    smallest.append((ends.values[1], ends.residuals[1]))
    traces.append((trace.trace, trace.stderr))
    print(
        f"epoch {checkpoint.epoch:2d}: λ_max = {ends.values[0]:7.3f} ± {ends.residuals[0]:.0e}, "
        f"λ_min = {ends.values[1]:7.3f} ± {ends.residuals[1]:.0e}, tr(H) = {trace.trace:7.2f} ± {trace.stderr:.2f}"
    )

# %% alt="Over the epochs: λ_max rises and falls again, λ_min stays below zero, and tr(H) goes the way of λ_max; each with its error"
largest, smallest, traces = (np.array(numbers).T for numbers in (largest, smallest, traces))
with plt.rc_context({"font.size": 12}):
    figure, (ends, lowest, mean) = plt.subplots(1, 3, figsize=(11, 3.6), layout="constrained")
bars = {"capsize": 4, "marker": "o"}
ends.errorbar(epochs, largest[0], yerr=largest[1], **bars, color="#1f77b4")
lowest.errorbar(epochs, smallest[0], yerr=smallest[1], **bars, color="#d95f02")
mean.errorbar(epochs, traces[0], yerr=traces[1], **bars, color="#1b9e77")
lowest.axhline(0, color="#555", linewidth=1)
ends.set_ylabel(f"λ_max ± residual (at most {largest[1].max():.0e})")
lowest.set_ylabel(f"λ_min ± residual (at most {smallest[1].max():.0e})")
mean.set_ylabel("tr(H) ± standard error")
for panel in (ends, lowest, mean):
    panel.set_xticks(epochs)
    panel.set_xlabel("epoch")
plt.show()

# %% [markdown]
# The largest curvature first grows: training goes into a steeper part of the landscape before it settles. And $\lambda_{\min}$ stays below zero at every
# checkpoint, the last one included. This network has stopped at no minimum; it has only stopped.
#
# ## How much of the way fits into a picture?
#
# The checkpoints are points in 1,898 dimensions. Principal component analysis finds the plane that is closest to them.
#
# **Question.** What share of the variance of the way will two axes hold: 20 %, 50 % or 99 %? And if they hold most of it, is the loss that the picture
# shows at a checkpoint the loss *of* that checkpoint?

# %%
way = [checkpoint.theta for checkpoint in training.checkpoints]
axes = cw.trajectory_directions(objective, way)
placed = cw.place_checkpoints(objective, axes, way)
share = placed.explained.sum()
print(f"two axes hold {share:.1%} of the variance")
for epoch, true, projected in zip(epochs, placed.losses, placed.projected_losses, strict=True):
    print(f"epoch {epoch:2d}: the loss is {true:.3f}, and at its place in the plane {projected:.3f}")

# %% [markdown]
# A large share of variance is no promise about the loss. The points lie beside the plane, and a small distance in a direction of large curvature is enough.
# The explorer shows both numbers in its tab *Training*. Move the slider from checkpoint to checkpoint: slice, curvature and trace follow.

# %%
explorer = cw.explore(objective, checkpoints=way, seed=SEED, resolution=25, planes=40, probes=20, spectrum_probes=0)
explorer

# %% [markdown]
# ## Training beside test data
#
# The same plane, the same colours, two data sets. **Question.** Is the lowest point of the one the lowest point of the other?

# %%
both = cw.SideBySide(explorer, training.objective("test"))
both

# %%
span = [1.1 * np.abs(placed.coordinates[:, axis]).max() for axis in (0, 1)]
planes = {data: cw.slice_loss(training.objective(data), axes, span=span, resolution=21) for data in ("train", "test")}
lowest = {}
for data, plane in planes.items():
    index = np.unravel_index(np.nanargmin(plane.values), plane.values.shape)
    lowest[data] = plane.values[index]
    place = [axis[i] for axis, i in zip(plane.axes, index, strict=True)]
    print(f"{data:5s} data: lowest loss of the plane {plane.values[index]:.4f}, at ({place[0]:+.2f}, {place[1]:+.2f})")

# %% [markdown]
# Nearly: the two landscapes are much alike, and what differs is small beside what both have in common. That is why a network that has learned the one
# knows something of the other.
#
# What was shown, checked:

# %%
assert largest[0].max() > 2 * largest[0, 0]
assert (smallest.sum(axis=0) < 0).all()  # with its residual, which bounds how far the eigenvalue can be
assert 0.6 < share < 1
assert np.allclose(placed.losses, [checkpoint.train_loss for checkpoint in training.checkpoints], rtol=1e-4)
assert np.abs(placed.projected_losses - placed.losses).max() > 0.02
alike = np.corrcoef(np.log(planes["train"].values).ravel(), np.log(planes["test"].values).ravel())[0, 1]
assert alike > 0.95
