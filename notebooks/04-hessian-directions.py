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
# # Hessian directions: what they show, and what they still hide
#
# Random planes hide saddles. The eigenvectors of the largest and of the smallest eigenvalue of the Hessian show them: along an eigenvector
# the curvature *is* the eigenvalue. This lecture looks along them, and then asks what even this picture keeps from you:
# the scales differ, two directions are two of $N$, and some eigenvectors are not even a definite direction.

# %%
import numpy as np
import torch

import curvwidget as cw
from curvwidget import zoo

SEED = 0
digits = zoo.digits_classifier("mlp", activation="tanh", epochs=20, seed=SEED)
objective = digits.objective()
hessian = cw.hessian_directions(objective, largest=3, smallest=3, seed=SEED)
for label, eigenvalue, residual in zip(hessian.labels, hessian.eigenvalues, hessian.residuals, strict=True):
    print(f"{label:18s} λ = {eigenvalue:9.5f}   ‖Hv − λv‖ = {residual:.1e}")

# %% [markdown]
# A number from an iterative method is worth as much as its error: each eigenvalue comes with its residual $\lVert Hv - \lambda v\rVert$, which bounds
# how far the nearest true eigenvalue can be.
#
# ## Unequal scales
#
# **Question.** Below is the plane of $\lambda_{\max}$ and $\lambda_{\min}$ with the *same* range on both axes. You know that
# $\lambda_{\min} < 0$. Where is the saddle?

# %%
plane = hessian[[0, len(hessian) - 1]]
curvature = cw.project_curvature(objective, plane)
reach = cw.slice_loss(objective, plane, resolution=5).span  # the half-widths that "auto" chooses
same = cw.slice_loss(objective, plane, span=reach[0], resolution=31)
equal_scales = cw.LossMap(same, curvature=curvature, scale="difference")
equal_scales

# %% [markdown]
# Nowhere: the contours are straight lines. What happens along the vertical axis is too small to be seen beside the other. What curvature changes of
# the loss over a step $\alpha$ is $\tfrac12\lambda\alpha^2$, so to see both you have to go farther along the weaker direction, by
# $\sqrt{\lambda_{\max}/|\lambda_{\min}|}$. The span `"auto"` does that:

# %%
print(f"half-widths: {reach[0]:.3g} along λ_max, {reach[1]:.3g} along λ_min")
own = cw.slice_loss(objective, plane, resolution=31)
own_scales = cw.LossMap(own, curvature=curvature, scale="difference")
own_scales

# %% [markdown]
# Now the contours bend: upwards and downwards from $\theta$ the loss falls, as $\lambda_{\min} < 0$ says. Look at the *units* of the axes before you
# compare two pictures. Still, around the middle of a saddle four fields of two colours meet, and here it is two.
#
# ## Is this point a critical point?
#
# **Question.** The theory speaks of critical points, where $\nabla L = 0$. Has training reached one?

# %%
slope = objective.gradient()
print(f"‖∇L‖ = {slope.norm():.4f}")
for label, along in zip(plane.labels, curvature.gradient, strict=True):
    print(f"slope along {label}: {along:+.4f}")

# %% [markdown]
# Not quite. Real checkpoints never are, and then slope and curvature mix: the map is lower on one side because it is *tilted*. The verdict of the
# explorer says so whenever the gradient counts.
#
# ## Two of N
#
# Two eigenvectors are two directions of ten thousand. The density of the spectrum counts the others without finding them one by one.
#
# **Question.** How many directions curve downwards here: this one alone, a few dozen, or about a thousand?

# %% alt="The density of all eigenvalues: nearly all lie close to zero, a few far above it, and some below; the three largest and smallest are marked"
density = cw.spectral_density(objective, probes=4, steps=60, seed=SEED)
spectrum_plot = cw.SpectrumPlot(density, eigenpairs=cw.extreme_eigenpairs(objective, largest=3, smallest=3, seed=SEED))
spectrum_plot

# %%
below = np.where(density.nodes < -1e-4, density.weights, 0).sum(axis=1)  # a share of the N eigenvalues, one estimate a probe
share, error = below.mean(), below.std(ddof=1) / np.sqrt(len(below))
print(f"about {share * objective.n_parameters:.0f} ± {error * objective.n_parameters:.0f} of the {objective.n_parameters:,} eigenvalues are below −10⁻⁴")

# %% [markdown]
# Most of them curve so little that nothing is decided by them. The Hessian plane shows the steepest one; the others are still hidden.
#
# ## Eigenvectors that are no definite direction
#
# The theory's example has 800 eigenvalues $+1$ and 200 eigenvalues $-1$. **Question.** We ask for the eigenvector of $\lambda_{\min}$ twice,
# from two random starts. Will we get the same one?

# %%
example = zoo.saddle_loss(n_positive=800, n_negative=200)
first, second = (cw.hessian_directions(example, seed=seed) for seed in (1, 2))
cosine = float(first.vectors[1] @ second.vectors[1])
print(f"λ_min = {first.eigenvalues[1]:.6f} and {second.eigenvalues[1]:.6f}, cosine of the two eigenvectors: {cosine:.3f}")

# %% [markdown]
# Both are right: $H v = -v$ holds for every vector in a space of 200 dimensions, and each run finds another one. Never read meaning into the
# entries of such a vector. The *plane* looks the same with either, and that is all that it claims:

# %%
for directions in (first, second):
    seen = cw.project_curvature(example, directions)
    print(f"a {seen.verdict} with κ = {seen.principal.round(6)}, off-diagonal {seen.matrix[0, 1]:.1e}")

# %% [markdown]
# ## Downhill along $v_-$
#
# An eigenvector of negative curvature is good for more than a picture: the loss falls along it. Here is a network at the very beginning of its
# training on $\cos x$. We search along $v_-$ (unit length, $|\alpha| \le 5$), and along twenty random lines.
#
# **Question.** Which gets lower?

# %%
start = zoo.function_approximator("cos", activation="relu", epochs=5, checkpoints=2, seed=SEED).objective()
v_minus = cw.hessian_directions(start, seed=SEED)[1]


def lowest(direction):
    return float(np.nanmin(cw.slice_loss(start, direction, span=5.0, resolution=101).values))


along_v_minus = lowest(v_minus)
along_random = [lowest(cw.random_directions(start, 1, normalization="unit", seed=seed)) for seed in range(20)]
print(f"loss here {start.loss():.4f}; lowest along v₋ {along_v_minus:.4f}; best of 20 random lines {min(along_random):.4f}")

# %% [markdown]
# What was shown, checked:

# %%
assert hessian.eigenvalues.min() < 0 < hessian.eigenvalues.max()
assert curvature.verdict == "saddle"
assert np.allclose(np.diag(curvature.matrix), plane.eigenvalues, atol=plane.residuals.max() + curvature.error)
assert reach[1] > 3 * reach[0]
assert share * objective.n_parameters > 2
assert abs(cosine) < 0.5
assert np.allclose(first.eigenvalues, [1, -1], atol=1e-6)
assert np.allclose(second.eigenvalues, [1, -1], atol=1e-6)
assert along_v_minus < min(along_random)
