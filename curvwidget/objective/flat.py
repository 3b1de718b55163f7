"""The chosen parameters of a private model as one piece of memory that is laid out like θ."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from curvwidget.objective.parameters import ParameterBlock

__all__ = ["FlatParameters"]


class FlatParameters:
    """Puts a vector θ into a model's own parameters, and takes what autograd says about them back into vectors.

    The parameters stay the model's own `nn.Parameter` objects (whatever holds them, a recurrent layer's list or a recomputed
    checkpoint, sees θ); only their memory is replaced by stretches of one vector, so that writing θ is one copy.

    Attributes:
        blocks: The place of each parameter in θ.
        tensors: The parameters.
        dtype: Of θ: the widest of the parameters', at least float32.
    """

    def __init__(self, chosen: dict[str, nn.Parameter]) -> None:
        """Take over the memory of the parameters.

        Args:
            chosen: The parameters by name; each requires grad from now on.
        """
        blocks: list[ParameterBlock] = []
        for name, tensor in chosen.items():
            offset = blocks[-1].slice.stop if blocks else 0
            blocks.append(ParameterBlock(name, tuple(tensor.shape), offset))
        self.blocks = tuple(blocks)
        self.tensors = tuple(chosen.values())
        self.dtype = torch.float32  # half precision cannot hold a step of a slice
        for tensor in self.tensors:
            self.dtype = torch.promote_types(self.dtype, tensor.dtype)
        self._sizes = [block.size for block in self.blocks]
        memory = self.read()
        self._memory = memory if all(tensor.dtype == self.dtype for tensor in self.tensors) else None
        for tensor, piece in zip(self.tensors, torch.split(memory, self._sizes), strict=True):
            if self._memory is not None:
                tensor.data = piece.view(tensor.shape)
            tensor.requires_grad_(True)

    def read(self) -> Tensor:
        """Return θ as it stands in the model, a copy ``(N,)``."""
        return self.flatten([tensor.detach() for tensor in self.tensors])

    def write(self, theta: Tensor) -> None:
        """Put θ into the model.

        No version counter moves: a graph that is kept stays usable, and is right whenever its own θ has been put back.

        Args:
            theta: ``(N,)``.
        """
        if self._memory is not None:
            self._memory.copy_(theta)
        else:
            for tensor, piece in zip(self.tensors, torch.split(theta, self._sizes), strict=True):
                tensor.data.copy_(piece.view(tensor.shape))

    def writer(self, theta: Tensor, vectors: Tensor) -> Callable[[Sequence[float]], None]:
        """Prepare for one point after another along directions.

        Args:
            theta: ``(N,)``.
            vectors: v_i, ``(k, N)``, at least one.

        Returns:
            A function that puts θ + Σ a_i·v_i into the model, given a; added up in one order, so that it is the same to the last
            bit each time.
        """
        memory = torch.empty_like(theta) if self._memory is None else self._memory
        first, *others = vectors

        def write(coefficients: Sequence[float]) -> None:
            torch.add(theta, first, alpha=coefficients[0], out=memory)
            for vector, coefficient in zip(others, coefficients[1:], strict=True):
                memory.add_(vector, alpha=coefficient)
            if self._memory is None:
                self.write(memory)

        return write

    def flatten(self, pieces: Sequence[Tensor | None], rows: int | None = None) -> Tensor:
        """Lay tensors one after the other, differentiably.

        Args:
            pieces: One a parameter; None stands for zeros.
            rows: How many tensors each piece holds, along a dimension in front; None for one without that.

        Returns:
            A fresh vector ``(N,)``, or vectors ``(rows, N)``.
        """
        lead = () if rows is None else (rows,)
        return torch.cat([self._lay(piece, (*lead, size)) for piece, size in zip(pieces, self._sizes, strict=True)], dim=-1)

    def _lay(self, piece: Tensor | None, shape: tuple[int, ...]) -> Tensor:
        if piece is None:
            return torch.zeros(shape, dtype=self.dtype, device=self.tensors[0].device)
        if piece.layout is not torch.strided:  # an embedding's gradient may be sparse
            piece = piece.to_dense()
        return piece.reshape(shape) if piece.dtype == self.dtype else piece.reshape(shape).to(self.dtype)
