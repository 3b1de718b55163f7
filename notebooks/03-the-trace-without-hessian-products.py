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
# # The mean curvature, from loss values alone
#
# A random plane cannot show you a saddle. But it is not useless: *on average* random slices measure one number of the Hessian exactly, its
# trace. This lecture takes the trace from nothing but values of the loss, sees how far that can be trusted, and where it cannot.
#
# For a direction $\eta$ with entries drawn from $N(0, 1)$, the slice $\alpha \mapsto L(\theta + \alpha\eta)$ has the curvature
#
# $$\kappa = \eta^\top H \eta = \sum_{ij} \eta_i \eta_j H_{ij}, \qquad \mathbb{E}[\eta_i \eta_j] = \delta_{ij}
#   \quad\Longrightarrow\quad \mathbb{E}[\kappa] = \mathrm{tr}(H) .$$
#
# The mean curvature is $\mathrm{tr}(H)/N$, the average eigenvalue.

# %%
import numpy as np
import torch
from torch.nn import functional as F

import curvwidget as cw
from curvwidget import zoo

SEED = 0
digits = zoo.digits_classifier("mlp", activation="tanh", seed=SEED)  # 64-72-64-10, trained on 1,347 digits
objective = digits.objective()
print(f"N = {objective.n_parameters:,} parameters, {digits.accuracy('test'):.1%} of the test digits right")

# %% [markdown]
# ## One slice, one number
#
# Here is the loss along one random direction, with the parabola of its curvature, and the parabola of the *mean* curvature.

# %%
line = cw.random_directions(objective, 1, seed=SEED)
slice_1d = cw.slice_loss(objective, line, resolution=101)
curvature = cw.project_curvature(objective, line, method="difference")  # second differences of the loss, no derivative
profile = cw.Profiles(slice_1d, curvature=curvature)
profile

# %% [markdown]
# **Question.** The next cell takes the curvature along ten other random directions. How much will these ten numbers differ from each other:
# by a per cent, by half of their size, or will even their signs differ?

# %%
ten = cw.estimate_trace(objective, method="slices", samples=10, seed=SEED)
print(ten.samples.round(1))

# %% [markdown]
# They scatter, and the scatter is known: for Gaussian directions $\mathrm{Var}[\kappa] = 2\,\mathrm{tr}(H^2)$. The eigenvalues of a trained
# network are very unequal, a few large ones hold most of $\mathrm{tr}(H^2)$, and so each slice shows mostly those few. The error of the mean of
# $S$ slices is $\sqrt{2\,\mathrm{tr}(H^2)/S}$: a hundred slices know the trace ten times as well as one.

# %%
slices = cw.estimate_trace(objective, method="slices", samples=200, seed=1)
hutchinson = cw.estimate_trace(objective, method="hutchinson", samples=200, seed=2)

expected_stderr = np.sqrt(2 * hutchinson.trace_of_square / 200)
print(f"from slices:     tr(H) = {slices.trace:6.2f} ± {slices.stderr:.2f}   ({slices.evaluations} loss evaluations, no derivative)")
print(f"from H·v:        tr(H) = {hutchinson.trace:6.2f} ± {hutchinson.stderr:.2f}   ({hutchinson.hvps} Hessian-vector products)")
print(f"the error that tr(H²) predicts:     {expected_stderr:.2f}")
print(f"mean curvature:  tr(H)/N = {slices.mean_curvature:.5f} ± {slices.mean_curvature_stderr:.5f}")

# %% [markdown]
# Both are the same estimator, Hutchinson's: the mean of $\eta^\top H\eta$. They differ only in how one gets $\eta^\top H\eta$. Here is how the two
# ran, over what they cost:

# %% alt="Two running estimates of tr(H), from slices and from Hessian-vector products, over their cost: their error bands narrow and overlap"
trace_plot = cw.TracePlot([slices, hutchinson])
trace_plot

# %% [markdown]
# ## Better estimators need products
#
# With Hessian-vector products one can do better than to average. Hutch++ and XTrace take the few large eigenvalues out first, exactly, and
# average only the rest.
#
# **Question.** At the same number of products, by how much does that reduce the error here: not at all, by a half, or to a tenth?

# %%
hutchpp = cw.estimate_trace(objective, method="hutch++", samples=99, seed=3)
xtrace = cw.estimate_trace(objective, method="xtrace", samples=100, seed=4)
hundred = cw.estimate_trace(objective, method="hutchinson", samples=100, seed=5)
for estimate in (hundred, hutchpp, xtrace):
    print(f"{estimate.method:10s}  {estimate.hvps:3d} products   tr(H) = {estimate.trace:6.2f} ± {estimate.stderr:.3f}")

# %% [markdown]
# ## How long is a step?
#
# The curvature of a slice comes from a second difference,
# $\bigl(L(\theta + h\eta) - 2L(\theta) + L(\theta - h\eta)\bigr)/h^2$. The direction is long, about $\sqrt N$, so what counts is the length of
# the step $\lVert\Delta\theta\rVert = h\lVert\eta\rVert$. If it is too long the loss is no parabola any more; if it is too short the difference drowns in
# rounding. `estimate_trace` halves the step until two agree, and says which it took:

# %%
print(f"step ‖Δθ‖ = {slices.step:.3g}; curvatures from it and from half of it differ by {slices.step_disagreement:.2%}")

# %% [markdown]
# ## Where it goes wrong: kinks
#
# A network of ReLUs is made of flat pieces. Derivatives see the inside of a piece only. A second difference reaches across the edges, and each edge
# that it crosses adds curvature.
#
# **Question.** Two ResNet-20 for small images, one with the smooth SiLU and one with ReLU, each with about 270,000 parameters and BatchNorm. For
# which of them will slices and derivatives agree?

# %%
(x, y), _ = zoo.load_digits()
x = F.interpolate(x[:16], size=(32, 32), mode="bilinear").expand(-1, 3, -1, -1).contiguous()
y = y[:16]


def train_resnet(activation):
    """A few steps are enough: we want a network that has begun to learn, not a good one."""
    network = zoo.resnet20(activation=activation, seed=SEED)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    for _ in range(20):
        optimizer.zero_grad()
        F.cross_entropy(network(x), y).backward()
        optimizer.step()
    with torch.no_grad():  # let the running statistics of BatchNorm settle: they are what eval mode uses
        for _ in range(30):
            network(x)
    return cw.Objective(network, F.cross_entropy, (x, y))


estimates, gaps = {}, {}
for activation in ("silu", "relu"):
    resnet = train_resnet(activation)
    by_slices = cw.estimate_trace(resnet, method="slices", samples=24, seed=1)
    seen = {method: cw.sample_projections(resnet, samples=5, method=method, seed=2) for method in ("difference", "hvp")}
    along = {method: np.einsum("sii->si", sample.matrices).ravel() for method, sample in seen.items()}  # ηᵀHη, the same 10 η
    gap = along["difference"] - along["hvp"]
    products = along["hvp"].mean(), along["hvp"].std(ddof=1) / np.sqrt(len(gap))
    estimates[activation] = by_slices, products
    gaps[activation] = gap.mean(), gap.std(ddof=1) / np.sqrt(len(gap))
    print(f"{activation}: tr(H) from slices   {by_slices.trace:8.0f} ± {by_slices.stderr:.0f}")
    print(f"      tr(H) from products {products[0]:8.0f} ± {products[1]:.0f}")
    print(f"      on the same 10 directions they differ by {gaps[activation][0]:.0f} ± {gaps[activation][1]:.0f}")
    for note in by_slices.notes:
        print("      note:", note)

# %% [markdown]
# With SiLU the two agree. With ReLU they do not, and neither is wrong: the *kink curvature* is there in every picture
# of the loss, at every scale that one can see, and it is not in the Hessian. Halving the step need not give it away, for at half the step there are half as
# many edges, each of twice the weight: only the comparison with derivatives does. When you compare a picture with eigenvalues, know which
# of the two you look at.
#
# What was shown, checked:

# %%
assert abs(slices.trace - hutchinson.trace) < 3 * np.hypot(slices.stderr, hutchinson.stderr)
assert 0.6 < hutchinson.stderr / expected_stderr < 1.6
assert xtrace.stderr < hundred.stderr / 2
smooth_slices, (smooth, smooth_stderr) = estimates["silu"]
assert abs(smooth_slices.trace - smooth) < 3 * np.hypot(smooth_slices.stderr, smooth_stderr)
assert abs(gaps["silu"][0]) < 0.1 * abs(smooth)
assert gaps["relu"][0] > 3 * gaps["relu"][1]
