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
# # Random projections hide saddles
#
# You have trained a network, the gradient is as good as zero, and you want to know what kind of point you are at: a minimum, or a saddle
# from which the loss could still go down. You cannot draw a thousand dimensions, so you do what everybody does: pick two random directions
# and draw the loss over the plane that they span. The plane shows a bowl. Are you at a minimum?
#
# Here is a loss for which you can know, because every one of its curvatures is known:
#
# $$L(\theta) = \tfrac12\,\theta_N \Big( \sum_{i \in \text{up}} \theta_i^2 - \sum_{i \in \text{down}} \theta_i^2 \Big),
# \qquad \theta^* = (0, \dots, 0, 1), \qquad N = 1001 .$$
#
# At $\theta^*$ the gradient is zero, and the Hessian $H$ is diagonal: $+1$ for each direction up, $-1$ for each direction down, and $0$ for
# $\theta_N$ itself. We begin with 500 up and 500 down, and let PyTorch confirm it.

# %%
import numpy as np

import curvwidget as cw
from curvwidget import zoo

saddle = zoo.saddle_loss(500, 500)
hessian = cw.hessian_directions(saddle)  # eigenvectors of the largest and of the smallest eigenvalue
print(f"N = {saddle.n_parameters}, loss {saddle.loss()}, length of the gradient {saddle.gradient().norm():.1g}")
print(f"λ_max = {hessian.eigenvalues[0]:.6f}, λ_min = {hessian.eigenvalues[1]:.6f}")

# %% [markdown]
# Half of all directions lead down. It is hard to be more of a saddle.
#
# **Question 1.** Take two random directions $\eta, \delta \sim \mathcal N(0, I_N)$ and draw $L(\theta^* + \alpha\eta + \beta\delta)$. How often
# will that picture show the saddle: nearly always, about half of the time, or hardly ever? Make a guess before you go on.

# %%
demo = cw.SaddleDemo(negative=0.5, planes=1000, seed=0)
demo

# %% [markdown]
# This is the whole lecture in one picture. On the left, the **spectrum** that you set. Above, the loss over one **random plane** and over the
# plane of the eigenvectors of $\lambda_\max$ and $\lambda_\min$, the **Hessian's plane**. Both reach equally far from the point and have the
# same colours: orange is above $L(\theta^*)$, blue below. Below, the curvatures $\kappa_- \le \kappa_+$ of a thousand random planes, each
# drawn in all 1001 dimensions, beside the densities that theory predicts.
#
# - Press **Next random plane** a few times, or click one of the points, and compare the two maps.
# - Find the answer to question 1 in the table.

# %%
demo.wait()
even = demo.sample
print({shape: f"{share:.1%}" for shape, share in even.probabilities.items()}, "of the random planes")

# %% [markdown]
# About seven in ten planes show a saddle, which is not bad, and three in ten do not. The law behind it is simple:
# $P(\text{saddle}) \approx \tfrac1{\sqrt 2}\, e^{-\mathrm{tr}(H)^2 / 4\,\mathrm{tr}(H^2)}$, and here $\mathrm{tr}(H) = 0$. Look at the
# exponent and you see what is coming.
#
# ## What a random plane measures
#
# The curvature along one random direction is a sum over *all* directions of the space,
#
# $$\eta^\top H \eta = \sum_i \kappa_i\, \eta_i^2, \qquad
# \mathbb E\big[\eta^\top H \eta\big] = \sum_i \kappa_i = \mathrm{tr}(H),$$
#
# since $\mathbb E[\eta_i^2] = 1$; and for two independent directions $\mathbb E[\eta^\top H \delta] = 0$. So the $2 \times 2$ Hessian of a
# random plane is, on average,
#
# $$\mathbb E \begin{pmatrix} \eta^\top H \eta & \eta^\top H \delta \\ \eta^\top H \delta & \delta^\top H \delta \end{pmatrix}
# = \mathrm{tr}(H) \begin{pmatrix} 1 & 0 \\ 0 & 1 \end{pmatrix} .$$
#
# The same curvature along both axes: a bowl, a dome or a plain, whatever the signs of the single curvatures are, but never a saddle. A random
# plane does not look at a few directions, it averages over all of them. It shows the **mean curvature** $\mathrm{tr}(H)/N$ (times $N$, for
# directions as long as these), with a scatter of the size $\sqrt{\mathrm{tr}(H^2)} \approx 32$.
#
# **Question 2.** Now let 800 directions go up and 200 down. There are still two hundred ways down from this point. How many of a thousand
# random planes will show a saddle? Guess, then move the slider *negative* of the widget above to 20 %, or look at the next cell.

# %%
uneven = cw.sample_projections(zoo.saddle_loss(800, 200), samples=1000, seed=1)
print({shape: f"{share:.1%}" for shape, share in uneven.probabilities.items()}, "of the random planes")
print(f"the flattest of the {len(uneven)} planes still has a curvature of {uneven.principal.min():.0f} in every direction")
predicted = cw.predict_projections(eigenvalues=zoo.saddle_spectrum(800, 200))
print(f"predicted chance of a saddle: {predicted.probabilities['saddle']:.0e}")

# %% [markdown]
# None. And no number of planes would help: at a billion planes a second, the age of the universe would not be enough to meet one. The
# trace is now 600, nineteen times the scatter, and 200 directions down are drowned by 800 directions up.
#
# The plane of the two eigenvectors shows the saddle, always and exactly. Finding it took a few dozen products of the Hessian with a vector,
# each about as expensive as two gradients:

# %%
hidden = zoo.saddle_loss(800, 200)
axes = cw.hessian_directions(hidden)
seen = cw.project_curvature(hidden, axes)
print(seen.matrix.round(6) + 0.0)
print(f"the Hessian's plane shows a {seen.verdict}")

# %% [markdown]
# ## Two averages
#
# With a thousand planes at hand one would like to average. There are two ways to do it: average the $2 \times 2$ matrices and take the
# curvatures $\tilde\kappa_\pm$ of the result, or take the curvatures of each plane and average those, $\langle\kappa_\pm\rangle$.
#
# **Question 3.** For 500/500 the trace is zero. Do both averages go to zero as the number $S$ of planes grows?

# %%
for count in (10, 100, 1000):
    curvature_of_average = np.linalg.eigvalsh(even.matrices[:count].mean(axis=0))
    average_of_curvatures = even.principal[:count].mean(axis=0)
    stderr = even.principal[:count].std(axis=0, ddof=1) / count**0.5
    print(
        f"S = {count:4}: curvature of the average {curvature_of_average[0]:6.1f}, {curvature_of_average[1]:5.1f}"
        f"   average of the curvatures {average_of_curvatures[0]:6.1f} ± {stderr[0]:4.1f}, {average_of_curvatures[1]:5.1f} ± {stderr[1]:4.1f}"
    )

# %% [markdown]
# The curvature of the average closes in on $\mathrm{tr}(H) = 0$, like $1/\sqrt S$. The average of the curvatures does not: it stays at
# $\mathrm{tr}(H) \pm \sqrt{\pi\,\mathrm{tr}(H^2)/2} = \pm 39.6$. Of two curvatures one is always the larger one, and that is a bias which
# more planes do not remove. An average saddle in this sense would appear even if each plane were noise. Both averages stand in the
# widget's table, beside what is predicted for them.
#
# ## And a real network?
#
# Trained networks have few large curvatures and very many small ones. **Question 4.** Go back to half up and half down, and let ten
# directions stick out with a curvature of 20 (the slider *outliers*). Ten of 1001: does that matter?

# %%
for size in (1, 5, 20, 50):
    spectrum = zoo.saddle_spectrum(500, 500, outliers=10, outlier_size=size)
    chance = cw.predict_projections(eigenvalues=spectrum).probabilities["saddle"]
    closed = cw.predict_projections(trace=spectrum.sum(), trace_of_square=(spectrum**2).sum()).probabilities["saddle"]
    print(f"ten outliers of {size:2}: {chance:6.2%} of the planes show a saddle (the closed form says {closed:6.2%})")

# %% [markdown]
# It does. Ten directions in a thousand are enough to hide five hundred. The simple law from above assumes that no eigenvalue dominates; with
# outliers it is too optimistic, so the numbers in the first column are computed from the whole spectrum.
#
# What you can take home:
#
# - a random plane shows the mean curvature, not the shape of the landscape; it hides saddles as soon as $|\mathrm{tr}(H)|$ is a few times
#   $\sqrt{\mathrm{tr}(H^2)}$, which near the end of a training it is;
# - that a random plane looks like a bowl is therefore no evidence for a minimum;
# - the eigenvectors of the largest and the smallest eigenvalue show a saddle wherever there is one. They too are only two of $N$ directions:
#   they tell you that there is a way down, not how many there are;
# - random planes are good for one thing, and good at it: their average is the trace. That is the next lecture.
#
# What was shown, checked:

# %%
share, exact = even.probabilities["saddle"], 0.707284
assert abs(share - exact) < 4 * np.sqrt(exact * (1 - exact) / len(even))
gap = np.sqrt(np.pi * 1000 / 2)
assert (np.abs(even.mean_principal - [-gap, gap]) < 4 * even.mean_principal_stderr).all()
assert (np.abs(uneven.mean_principal - [600 - gap, 600 + gap]) < 4 * uneven.mean_principal_stderr).all()
assert np.abs(even.curvature_of_mean).max() < 6
assert uneven.probabilities == {"minimum": 1.0, "maximum": 0.0, "saddle": 0.0}
assert np.allclose(seen.matrix, np.diag([1, -1]), atol=1e-6)
assert chance < 0.1 * closed  # ten outliers of 50
