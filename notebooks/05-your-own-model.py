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
# # Your own model
#
# The explorer takes any PyTorch model with any loss. This notebook goes through what differs from model to model: batches that are not `(x, y)`,
# BatchNorm, a choice of parameters, derivatives inside the loss. Each example is small; replace it by your own.
#
# Two promises hold throughout: your model is never touched (the objective owns a copy), and the loss is the mean over *all* samples, however they are
# cut into batches.

# %%
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

import curvwidget as cw
from curvwidget import zoo

SEED = 0
(x, y), (x_test, y_test) = zoo.load_digits()

# %% [markdown]
# ## A DataLoader, and batches of unequal size
#
# 1,347 digits in batches of 200 leave a last batch of 147.
#
# **Question.** If one averages the losses of the batches, each counting the same, is that the loss of the data?

# %%
torch.manual_seed(SEED)
classifier = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.SiLU(), nn.Dropout(0.2), nn.Linear(32, 10))
loader = DataLoader(TensorDataset(x, y), batch_size=200)

objective = cw.Objective(classifier, F.cross_entropy, loader)
with torch.no_grad():
    classifier.eval()
    of_batches = sum(F.cross_entropy(classifier(a), b).item() for a, b in loader) / len(loader)
    of_all = F.cross_entropy(classifier(x), y).item()
    classifier.train()
print(f"objective {objective.loss():.6f}, all samples at once {of_all:.6f}, mean of batch means {of_batches:.6f}")

# %% [markdown]
# No: it is another function, with other eigenvalues. The objective weighs each batch by its samples, so it does not matter how you cut them. Dropout is
# switched off, as in `eval()`, without changing your model's mode:

# %%
print("the classifier is still in training mode:", classifier.training)

# %% [markdown]
# ## BatchNorm: which statistics?
#
# A network with BatchNorm is not *one* function of its weights. Its running statistics belong to one $\theta$; moved to $\theta + \alpha\eta$, should they stay
# (`"running"`, as in `eval()`), be those of each batch (`"batch"`), or be computed anew from all the data at each point (`"recalibrate"`)?

# %%
torch.manual_seed(SEED)
convnet = nn.Sequential(
    *(nn.Conv2d(1, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.SiLU(), nn.AvgPool2d(2)),
    *(nn.Conv2d(8, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.SiLU(), nn.AvgPool2d(2)),
    *(nn.Flatten(), nn.Linear(64, 10)),
)
optimizer = torch.optim.Adam(convnet.parameters(), lr=1e-2)
for _ in range(8):
    for a, b in loader:
        optimizer.zero_grad()
        F.cross_entropy(convnet(a), b).backward()
        optimizer.step()

# %% [markdown]
# **Question.** The curvature along one and the same random direction, with each of the three. Will they agree?

# %%
curvatures = {}
for policy in ("running", "batch", "recalibrate"):
    normalized = cw.Objective(convnet, F.cross_entropy, loader, batchnorm=policy)
    trace = cw.estimate_trace(normalized, samples=20, seed=SEED)
    curvatures[policy] = trace
    print(f"{policy:12s} L = {normalized.loss():.4f}   tr(H) = {trace.trace:8.1f} ± {trace.stderr:.1f}")

# %% [markdown]
# With frozen statistics the loss feels every change of a weight's length. Statistics of the batch undo it: the loss does not depend on the scale of a
# filter that BatchNorm follows. Say which one you use when you report a curvature.
#
# ## Batches that are dictionaries
#
# Models in the style of Hugging Face take a dictionary and return an object with a loss in it. `batch_loss(model, batch)` is then all that is needed:

# %%


class Tagger(nn.Module):
    """Predicts for each token of a sequence whether it has been seen before in it."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(12, 16, padding_idx=0)
        self.encoder = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True, activation="gelu")
        self.head = nn.Linear(16, 2)

    def forward(self, input_ids, attention_mask, labels):
        hidden = self.encoder(self.embedding(input_ids), src_key_padding_mask=~attention_mask)
        logits = self.head(hidden)
        return {"logits": logits, "loss": F.cross_entropy(logits[attention_mask], labels[attention_mask])}


generator = torch.Generator().manual_seed(SEED)
tokens = torch.randint(1, 12, (60, 8), generator=generator)
lengths = torch.randint(4, 9, (60,), generator=generator)
mask = torch.arange(8) < lengths[:, None]
labels = torch.stack([torch.tensor([int(t in row[:i]) for i, t in enumerate(row)]) for row in tokens.tolist()])
batches = [{"input_ids": tokens[i : i + 20], "attention_mask": mask[i : i + 20], "labels": labels[i : i + 20]} for i in (0, 20, 40)]

torch.manual_seed(SEED)
tagger = cw.Objective(Tagger(), None, batches, batch_loss=lambda model, batch: model(**batch)["loss"])
print(tagger)
print("both ends of the spectrum:", cw.hessian_directions(tagger, seed=SEED).eigenvalues.round(4))

# %% [markdown]
# ## Some of the parameters
#
# `parameters=` takes names with wildcards, or a function. The rest of the model stays what it is. **Question.** Which layer of the classifier bends the
# loss most?

# %%
for pattern in ("1.*", "4.*"):
    layer = cw.Objective(classifier, F.cross_entropy, (x, y), parameters=[pattern])
    ends = cw.extreme_eigenpairs(layer, seed=SEED)
    print(f"{pattern}: N = {layer.n_parameters:5d}, λ_max = {ends.values[0]:.4f}, λ_min = {ends.values[-1]:.4f}")

# %% [markdown]
# The trace of every layer comes from one and the same set of products:

# %%
by_layer = cw.estimate_trace(objective, samples=200, seed=SEED)
for name, part in by_layer.by_block.items():
    print(f"{name:10s} tr = {part:7.3f} ± {by_layer.by_block_stderr[name]:.3f}")
print(f"{'all':10s} tr = {by_layer.trace:7.3f} ± {by_layer.stderr:.3f}")

# %% [markdown]
# ## Derivatives inside the loss
#
# A physics-informed network has no targets: its loss is how badly it solves $u'' + u = 0$, $u(0) = 1$, $u'(0) = 0$. The derivatives of $u$ are taken
# inside the loss, and the Hessian goes through them.
#
# **Question.** After 300 steps the network solves the equation well. Is it at a minimum? Look at the random plane first, then read the verdict.

# %%


def residual(model, batch):
    t = batch["t"].requires_grad_(True)
    u = model(t)
    (du,) = torch.autograd.grad(u.sum(), t, create_graph=True)
    (ddu,) = torch.autograd.grad(du.sum(), t, create_graph=True)
    start = torch.zeros(1, 1, dtype=t.dtype, requires_grad=True)
    u0 = model(start)
    (du0,) = torch.autograd.grad(u0.sum(), start, create_graph=True)
    return (ddu + u).square().mean() + (u0 - 1).square().sum() + du0.square().sum()


torch.manual_seed(SEED)
network = nn.Sequential(nn.Linear(1, 24), nn.Tanh(), nn.Linear(24, 24), nn.Tanh(), nn.Linear(24, 1)).double()
points = {"t": torch.linspace(0, 3, 64, dtype=torch.float64).unsqueeze(1)}
optimizer = torch.optim.Adam(network.parameters(), lr=5e-3)
for _ in range(300):
    optimizer.zero_grad()
    residual(network, points).backward()
    optimizer.step()

physics = cw.Objective(network, None, [points], batch_loss=residual)
explorer = cw.explore(physics, seed=SEED, resolution=31, planes=100, probes=60)
explorer

# %% [markdown]
# ## What is refused
#
# A loss that is different at each call cannot be sliced: you would plot the noise. The objective notices, and says where to look.

# %%
noisy = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
try:
    cw.Objective(noisy, lambda output, target: F.cross_entropy(output + torch.randn_like(output), target), (x, y))
except ValueError as error:
    refusal = str(error)
    print(refusal)

# %% [markdown]
# What was shown, checked:

# %%
assert abs(objective.loss() - of_all) < 1e-5
assert abs(of_batches - of_all) > 1e-5
assert classifier.training
batch, running = curvatures["batch"], curvatures["running"]
assert abs(batch.trace - running.trace) > 3 * (batch.stderr**2 + running.stderr**2) ** 0.5
assert abs(sum(by_layer.by_block.values()) - by_layer.trace) < 1e-3 * abs(by_layer.trace)
u = network(torch.tensor([[1.5]], dtype=torch.float64)).item()
assert abs(u - torch.cos(torch.tensor(1.5)).item()) < 0.05  # the solution is cos t
assert "deterministic" in refusal
