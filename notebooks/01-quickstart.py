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
# # Quickstart: is this picture of a loss landscape true?
#
# A network has thousands of parameters $\theta$, a picture has two axes. The usual way out is to draw two random directions and to plot
# the loss over the plane that they span. Here you do that with a small classifier, and then see what the picture left out.
#
# Run all cells (*Run ▸ Run All Cells*). Training takes a few seconds.

# %%
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F

import curvwidget as cw

torch.manual_seed(0)
images, labels = load_digits(return_X_y=True)  # 1,797 images of 8 × 8 pixels
x, y = torch.tensor(images / 16, dtype=torch.float32), torch.tensor(labels)

model = nn.Sequential(nn.Linear(64, 72), nn.Tanh(), nn.Linear(72, 64), nn.Tanh(), nn.Linear(64, 10))
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for _ in range(60):
    optimizer.zero_grad()
    F.cross_entropy(model(x), y).backward()
    optimizer.step()

accuracy = (model(x).argmax(1) == y).float().mean().item()
print(f"{sum(p.numel() for p in model.parameters()):,} parameters, {accuracy:.1%} of the digits right")

# %% [markdown]
# **Question.** The explorer below begins with a random plane through the trained weights. It looks like a bowl. Is this point a minimum?
#
# - Press **New random plane** as often as you like, and read the verdict.
# - The plot below on the right compares the curvatures $\kappa_-$ and $\kappa_+$ of many random planes with what the mean curvature
#   $\mathrm{tr}(H)/N$ alone predicts.
# - Then move the **blend** slider to the right: it turns the plane towards the eigenvectors of the largest and of the smallest
#   eigenvalue of the Hessian. Choose the colour *loss − L(θ)* to see the sign.
# - Drag the probe (or use the arrow keys): the cross-sections follow.

# %%
objective = cw.Objective(model, F.cross_entropy, (x, y))
explorer = cw.explore(objective, seed=1)
explorer

# %% [markdown]
# ## The same without the widget
#
# Everything that the explorer shows is a plain function. The Hessian has an eigenvalue below zero, so the point is a saddle, and the plane
# along the two extreme eigenvectors shows it:

# %%
hessian = cw.hessian_directions(objective)
seen = cw.project_curvature(objective, hessian)
print(f"Hessian plane: a {seen.verdict}, κ₋ = {seen.principal[0]:.4f}, κ₊ = {seen.principal[1]:.4f}, each ± {seen.error:.1g}")
print(f"eigenvalues:   {hessian.eigenvalues.round(4)} with residuals {hessian.residuals}")

# %% [markdown]
# A hundred random planes do not. Their curvatures scatter around $\mathrm{tr}(H)$, the number of parameters times the mean curvature,
# whatever the signs of the eigenvalues:

# %%
sample = cw.sample_projections(objective, samples=100)
trace = cw.estimate_trace(objective, samples=100, seed=1)
slices = cw.estimate_trace(objective, method="slices", samples=100, seed=2)
print(f"{sample.probabilities['saddle']:.0%} of the random planes show a saddle, {sample.probabilities['minimum']:.0%} a bowl")
print(f"tr(H) from Hessian-vector products {trace.trace:.1f} ± {trace.stderr:.1f}")
print(f"tr(H) from loss values alone       {slices.trace:.1f} ± {slices.stderr:.1f}")

# %% [markdown]
# What was shown, checked:

# %%
assert hessian.eigenvalues.min() < 0 < hessian.eigenvalues.max()
assert seen.verdict == "saddle"
assert sample.probabilities["saddle"] < 0.05
