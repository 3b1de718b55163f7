"""What BatchNorm layers normalize with.

Three functions of θ that are three different losses, and have three different Hessians:

``"running"``
    Each layer uses the running statistics that training left. They are constants: L(θ) is the loss of the model as it would be
    deployed, near the trained θ. Far from it the statistics fit the activations no longer.
``"batch"``
    Each layer uses the statistics of the batch at hand, as in training. L(θ) depends on how the data is cut into batches, which
    are therefore taken as they are given; its derivatives run through the statistics.
``"recalibrate"``
    Each layer uses the statistics of the whole data at this θ, which is what recomputing the running statistics at every point
    means when it is done exactly: layer after layer, each upon activations that are already recalibrated. That is one batch of
    all samples under ``"batch"``, and so it is computed. Its derivatives run through the statistics as well: they are those of
    the L whose slices are drawn. (With the statistics held constant the gradient would be that of no function of θ at all, for
    the values move with θ and the derivatives would not say so.)

Running statistics stay as they are under each of them.
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import nn

__all__ = ["BATCHNORM_POLICIES", "BatchNormPolicy", "apply_policy"]

BatchNormPolicy = Literal["running", "batch", "recalibrate"]
BATCHNORM_POLICIES: tuple[BatchNormPolicy, ...] = get_args(BatchNormPolicy)
_NORMALIZATIONS = (nn.modules.batchnorm._NormBase,)
_NAMES = {"BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "SyncBatchNorm", "InstanceNorm1d", "InstanceNorm2d", "InstanceNorm3d"}


def apply_policy(model: nn.Module, policy: BatchNormPolicy) -> int:
    """Let the normalization layers of a private model in eval mode use what a policy says.

    Args:
        model: The private copy; changed in place.
        policy: One of `BATCHNORM_POLICIES`.

    Returns:
        How many layers have running statistics, and so follow the policy.

    Raises:
        ValueError: If a layer is compiled (`torch.jit`), which cannot be made to follow a policy other than ``"running"``.
    """
    compiled = {
        name: kind
        for name, module in model.named_modules()
        if isinstance(module, torch.jit.ScriptModule)
        and (kind := module.original_name) in _NAMES
        and getattr(module, "running_mean", None) is not None
    }
    if policy != "running" and compiled:
        name, kind = next(iter(compiled.items()))
        raise ValueError(
            f"batchnorm must be 'running' for a model from torch.jit, whose layers are compiled, got {policy!r} and a {kind} at "
            f"{name or 'the top'!r}; give the model as it was before torch.jit.script or torch.jit.trace"
        )
    layers = [module for module in model.modules() if isinstance(module, _NORMALIZATIONS) and module.running_mean is not None]
    if policy != "running":
        for layer in layers:
            # Without running statistics a layer normalizes with those of the batch, in eval mode too, and has nothing to update.
            layer.track_running_stats = False
            layer.running_mean = layer.running_var = layer.num_batches_tracked = None
    return len(layers)
