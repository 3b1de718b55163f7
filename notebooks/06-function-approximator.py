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
# # A network learns a curve: random against Hessian directions
#
# A fully connected network 1-100-100-100-1, with 20,501 parameters, learns a curve from 101 points. It is small enough to compute everything in
# seconds, and real enough to have what matters: a loss that training has made small, a few large curvatures, and negative ones that nobody sees.
#
# The maps below are laid out like a figure of the theory ([Böttcher and Wheeler](https://arxiv.org/abs/2405.10957)): the loss over
# $[-0.1, 0.1]^2$, along random and along Hessian directions, on training and on test data. How the authors trained their networks we do not know;
# ours are trained here, from a seed.

# %%
import ipywidgets
import numpy as np
from scipy.stats import binomtest

import curvwidget as cw
from curvwidget import zoo

SEED = 0
cosine = zoo.function_approximator("cos", activation="relu", epochs=1000, checkpoints=2, seed=SEED)
train, test = cosine.objective("train"), cosine.objective("test")
print(f"N = {train.n_parameters:,}, loss {train.loss():.1e} on training and {test.loss():.1e} on test data")

# %% [markdown]
# **Question.** Random directions with entries from $N(0, 1)$ have the length $\sqrt N \approx 143$, the eigenvectors of the Hessian have length 1. Over the same
# range of the coordinates, how much higher does the loss rise along random directions: about as high, dozens of times, or twenty thousand
# times ($143^2$) as high?

# %%
random = cw.random_directions(train, seed=SEED)
hessian = cw.hessian_directions(train, seed=SEED)
slices = {
    (name, data): cw.slice_loss(objective, directions, span=0.1, resolution=31)
    for name, directions in (("random", random), ("Hessian", hessian))
    for data, objective in (("train", train), ("test", test))
}
for (name, data), plane in slices.items():
    print(f"{name:8s} {data:6s} largest loss on the map {plane.values.max():.4f}")
half_lambda = 0.5 * hessian.eigenvalues[0] * 0.1**2
print(f"½ λ_max · 0.1² = {half_lambda:.4f}")

# %% alt="Four maps: over the same square the loss rises dozens of times as high along random directions as along the Hessian's, on training and on test data alike"
tile = {"width": "100%", "height": "300px"}
limits = {name: (0.0, float(max(slices[name, data].values.max() for data in ("train", "test")))) for name in ("random", "Hessian")}
maps = [
    cw.LossMap(plane, title=f"{name} directions, {data} data", limits=limits[name], layout=tile)
    for (name, data), plane in slices.items()
]
figure = ipywidgets.GridBox(maps, layout=ipywidgets.Layout(grid_template_columns="1fr 1fr", grid_gap="8px", width="100%"))
figure

# %% [markdown]
# Dozens of times: along a random direction the curvature is on average $\mathrm{tr}(H)$, the sum of all eigenvalues, and farther out the loss is
# no parabola any more; along $v_+$ it is the largest eigenvalue alone. Training and test data give almost the same maps.
#
# ## How many planes show the saddle?
#
# Now the harder curve $\sin 2\pi x$, with a smooth network (tanh), after 500 epochs, from three seeds.
#
# **Question.** The loss is small, but not zero. Is the network in a minimum? And what do 100 random planes say?

# %%
points, rows = [], []
for seed in (0, 1, 2):
    point = zoo.function_approximator("sin", activation="tanh", epochs=500, checkpoints=2, seed=seed).objective()
    ends = cw.hessian_directions(point, tol=1e-3, seed=SEED)
    seen = cw.project_curvature(point, ends)
    sample = cw.sample_projections(point, samples=100, seed=SEED)
    bowls, saddles = (round(100 * sample.probabilities[shape]) for shape in ("minimum", "saddle"))
    at_least = binomtest(bowls, 100).proportion_ci().low
    by_slices = cw.estimate_trace(point, method="slices", samples=100, seed=1)
    by_products = cw.estimate_trace(point, samples=100, seed=2)
    points.append(point)
    rows.append((seed, ends, seen, bowls, by_slices, by_products))
    print(f"seed {seed}: loss {point.loss():.1e}, ‖∇L‖ = {point.gradient().norm():.1e}")
    print(f"   λ_max = {ends.eigenvalues[0]:.2f} ± {ends.residuals[0]:.1g}, λ_min = {ends.eigenvalues[1]:.4f} ± {ends.residuals[1]:.1g}")
    print(f"   tr(H) = {by_slices.trace:.0f} ± {by_slices.stderr:.0f} from slices, {by_products.trace:.0f} ± {by_products.stderr:.0f} from H·v")
    print(f"   of 100 random planes {bowls} are bowls (a share of at least {at_least:.0%}, at 95 % confidence) and {saddles} saddles")
    print(f"   the Hessian's plane is a {seen.verdict}: κ₋ = {seen.principal[0]:.4f}, κ₊ = {seen.principal[1]:.2f}, each ± {seen.error:.1g}")

# %% [markdown]
# $\lambda_{\min} < 0$ each time: none of these points is a minimum, and almost every random picture says that it is. The explorer shows both; move the *blend* slider.

# %%
explorer = cw.explore(points[0], seed=SEED, resolution=31, planes=100, probes=60)
explorer

# %% [markdown]
# What was shown, checked:

# %%
for data in ("train", "test"):
    assert 0.75 < slices["Hessian", data].values.max() / half_lambda < 1.25
    assert slices["random", data].values.max() > 4 * slices["Hessian", data].values.max()
for _, ends, seen, bowls, by_slices, by_products in rows:
    assert ends.eigenvalues[1] + ends.residuals[1] < 0
    assert seen.verdict == "saddle"
    assert bowls >= 95
    assert abs(by_slices.trace - by_products.trace) < 3 * np.hypot(by_slices.stderr, by_products.stderr)
