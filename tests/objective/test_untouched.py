"""The user's model, data, generators and modes stay bit-equal, whatever is called and whatever goes wrong."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from curvwidget._interrupt import interruptible
from curvwidget.objective import Objective
from tests.cases import CASES, Case, case_named
from tests.objective.conftest import Witness

WITH_MODEL = [case for case in CASES if case.name != "quadratic form"]


class UserError(Exception):
    """Raised by a user's loss."""


class Interrupted(BaseException):
    """Raised between batches."""


def trained_net() -> tuple[nn.Sequential, Tensor, Tensor]:
    """A net in the middle of training: in train mode, one layer frozen, one in eval mode, gradients accumulated."""
    model = nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.ReLU(inplace=True), nn.Dropout(0.5), nn.Linear(8, 2))
    model[3].eval()
    model[0].weight.requires_grad_(False)
    x, y = torch.randn(20, 3), torch.randint(2, (20,))
    F.cross_entropy(model(x), y).backward()
    return model, x, y


def use_all(objective: Objective) -> None:
    """Call everything that there is to call."""
    theta = objective.theta
    objective.loss(theta + 1)
    objective.losses(torch.stack([theta, theta + 0.1]))
    objective.gradient()
    objective.gradient(theta - 1)
    objective.hvp(torch.ones_like(theta))
    objective.hvp(torch.ones(2, len(theta), dtype=theta.dtype), theta + 0.1)
    objective.at(theta * 0.5).hvp(theta)
    _ = objective.hessian() @ theta
    repr(objective)


@pytest.mark.parametrize("case", WITH_MODEL, ids=str)
def test_every_case_is_left_as_it_was(case: Case) -> None:
    problem = case.build()
    assert problem.model is not None
    problem.model.train()
    tensors = problem.data.values() if isinstance(problem.data, dict) else problem.data
    witness = Witness(problem.model, *tensors)
    objective = problem.objective()
    witness.assert_untouched()
    use_all(objective)
    witness.assert_untouched()


@pytest.mark.parametrize("batchnorm", ["running", "batch", "recalibrate"])
def test_a_net_in_training_is_left_as_it_was(batchnorm: str) -> None:
    model, x, y = trained_net()
    witness = Witness(model, x, y)
    use_all(Objective(model, nn.CrossEntropyLoss(), (x, y), batchnorm=batchnorm, dtype=torch.float64))
    use_all(Objective(model, nn.CrossEntropyLoss(), (x, y), batchnorm=batchnorm, parameters="0.*"))
    witness.assert_untouched()


def test_training_goes_on_as_if_there_were_no_objective() -> None:
    def train(look: bool) -> Tensor:
        torch.manual_seed(1)
        model, x, y = trained_net()
        optimizer = torch.optim.Adam(model.parameters())
        loader = DataLoader(TensorDataset(x, y), batch_size=5, shuffle=True)
        for _ in range(3):
            if look:
                use_all(Objective(model, F.cross_entropy, loader))
            for inputs, target in loader:
                optimizer.zero_grad()
                F.cross_entropy(model(inputs), target).backward()
                optimizer.step()
        return torch.cat([parameter.flatten() for parameter in model.parameters()])

    assert torch.equal(train(look=True), train(look=False))


def test_training_does_not_move_the_objective() -> None:
    problem = case_named("MLP with tanh").build()
    assert problem.model is not None
    objective = problem.objective()
    theta, loss, there = objective.theta, objective.loss(), objective.theta + 1
    loss_there = objective.loss(there)
    with torch.no_grad():
        for parameter in problem.model.parameters():
            parameter.add_(1)
    assert torch.equal(objective.theta, theta)
    assert objective.loss(theta) == loss
    assert objective.loss(there) == loss_there


def test_what_is_returned_may_be_written_to() -> None:
    objective = case_named("MLP with tanh").build().objective()
    theta, gradient = objective.theta, objective.gradient()
    product = objective.hvp(torch.ones(1, objective.n_parameters, dtype=torch.float64))
    for tensor in (objective.theta, objective.gradient(), objective.hvp(torch.ones_like(product))):
        tensor.zero_()
    assert torch.equal(objective.theta, theta)
    assert torch.equal(objective.gradient(), gradient)
    assert torch.equal(objective.hvp(torch.ones_like(product)), product)


def test_a_point_that_was_given_may_be_written_to_afterwards() -> None:
    objective = case_named("MLP with tanh").build().objective()
    point = objective.theta + 1
    there, operator = objective.at(point), objective.hessian(point)
    truth = objective.hvp(torch.ones_like(point), point)
    point.zero_()
    torch.testing.assert_close(there.hvp(torch.ones_like(point)), truth, rtol=1e-13, atol=0)
    torch.testing.assert_close(operator @ torch.ones_like(point), truth, rtol=1e-13, atol=0)


def random_everywhere(output: Tensor, target: Tensor) -> Tensor:
    torch.rand(3)
    np.random.rand(3)
    random.random()
    return F.cross_entropy(output, target)


def test_a_loss_that_draws_numbers_without_using_them_leaves_the_generators_alone() -> None:
    model, x, y = trained_net()
    witness = Witness(model, x, y)
    use_all(Objective(model, random_everywhere, (x, y)))
    use_all(Objective(model, random_everywhere, [(x[:7], y[:7]), (x[7:], y[7:])], batch_size=4))
    witness.assert_untouched()


def test_a_loss_that_draws_numbers_late_in_the_data_is_found_out_too() -> None:
    def loss(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
        if len(batch[0]) == 3:
            torch.rand(1)
        return F.cross_entropy(model(batch[0]), batch[1])

    model, x, y = trained_net()
    witness = Witness(model, x, y)
    use_all(Objective(model, None, [(x[:17], y[:17]), (x[17:], y[17:])], batch_loss=loss))
    witness.assert_untouched()


@pytest.mark.parametrize("call", [0, 1, 2, 3, 4, 5, 6])
def test_an_exception_in_the_criterion_while_building_leaves_all_as_it_was(call: int) -> None:
    calls = iter(range(100))

    def criterion(output: Tensor, target: Tensor) -> Tensor:
        if next(calls) == call:
            raise UserError
        torch.rand(1)
        return F.cross_entropy(output, target)

    model, x, y = trained_net()
    witness = Witness(model, x, y)
    with pytest.raises(UserError):
        Objective(model, criterion, (x, y), batch_size=7)
    witness.assert_untouched()


@pytest.mark.parametrize(
    "use",
    [
        lambda objective: objective.loss(objective.theta + 1),
        lambda objective: objective.gradient(),
        lambda objective: objective.hvp(objective.theta),
        lambda objective: objective.at(objective.theta + 1),
    ],
    ids=["loss", "gradient", "hvp", "at"],
)
def test_an_exception_in_the_criterion_later_leaves_all_as_it_was_and_the_objective_usable(
    use: Callable[[Objective], object],
) -> None:
    broken = False

    def criterion(output: Tensor, target: Tensor) -> Tensor:
        if broken:
            raise UserError
        return F.cross_entropy(output, target)

    model, x, y = trained_net()
    objective = Objective(model, criterion, (x, y), batch_size=7)
    fresh = Objective(model, criterion, (x, y), batch_size=7)
    witness = Witness(model, x, y)
    broken = True
    with pytest.raises(UserError):
        use(objective)
    witness.assert_untouched()
    broken = False
    with ThreadPoolExecutor(1) as other:  # the lock is free
        assert torch.equal(other.submit(objective.gradient).result(timeout=10), fresh.gradient())
    assert torch.equal(objective.gradient(), fresh.gradient())
    assert torch.equal(objective.hvp(objective.theta), fresh.hvp(objective.theta))


@pytest.mark.parametrize("kept", [False, True], ids=["without a kept graph", "with a kept graph"])
@pytest.mark.parametrize("batch_size", [None, 6], ids=["one batch", "four batches"])
def test_an_interrupt_leaves_all_as_it_was_and_the_objective_usable(kept: bool, batch_size: int | None) -> None:
    model, x, y = trained_net()
    objective = Objective(model, F.cross_entropy, (x, y), batch_size=batch_size)
    vectors = torch.randn(3, objective.n_parameters)
    truth = Objective(model, F.cross_entropy, (x, y), batch_size=batch_size).hvp(vectors)
    if kept:
        objective.hvp(vectors)
    witness = Witness(model, x, y)
    uses: list[Callable[[], object]] = [
        lambda: objective.loss(objective.theta + 1),
        lambda: objective.losses(torch.stack([objective.theta, objective.theta + 1])),
        lambda: objective.gradient(objective.theta + 1),
        lambda: objective.hvp(vectors),
        lambda: objective.hvp(vectors, objective.theta + 1),
        lambda: objective.at(objective.theta + 1),
    ]
    for use in uses:
        for allowed in range(3):
            left = iter(range(allowed))

            def check(left: object = left) -> None:
                if next(left, None) is None:  # type: ignore[call-overload]
                    raise Interrupted

            with contextlib.suppress(Interrupted), interruptible(check):
                use()
            witness.assert_untouched()
            torch.testing.assert_close(objective.hvp(vectors), truth, rtol=1e-5, atol=1e-7)  # a record rounds in another way


def test_an_interrupt_comes_between_batches_and_between_vectors() -> None:
    model, x, y = trained_net()
    objective = Objective(model, F.cross_entropy, (x, y), batch_size=5)
    counted = 0

    def count() -> None:
        nonlocal counted
        counted += 1

    with interruptible(count):
        objective.loss(objective.theta + 1)
        assert counted == 4
        objective.hvp(torch.randn(3, objective.n_parameters))
        assert counted == 4 + 12


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode, lambda: torch.autocast("cpu", dtype=torch.bfloat16)])
@pytest.mark.parametrize("case", WITH_MODEL, ids=str)
def test_the_callers_mode_changes_nothing(case: Case, mode: Callable[[], AbstractContextManager[object]]) -> None:
    problem = case.build()
    plain = problem.objective()
    vector = torch.randn(plain.n_parameters, dtype=torch.float64)
    there = plain.theta + 0.1
    truth = plain.loss(there), plain.gradient(), plain.hvp(vector), plain.hvp(vector, there)
    with mode():
        inside = problem.objective()
        vector_inside = vector.clone()
        there_inside = inside.theta + 0.1
        sibling = inside.at(there_inside)
        found = inside.loss(there_inside), inside.gradient(), inside.hvp(vector_inside), inside.hvp(vector_inside, there_inside)
    assert found[0] == truth[0] == sibling.loss()
    for here, expected in zip(found[1:], truth[1:], strict=True):
        torch.testing.assert_close(here, expected, rtol=1e-13, atol=1e-15)
    torch.testing.assert_close(sibling.hvp(vector), truth[3], rtol=1e-13, atol=1e-15)
    inside.gradient().add_(1)  # what was made inside the mode is an ordinary tensor outside of it


def test_a_callers_autocast_does_not_round_a_loss_in_single_precision() -> None:
    model, x, y = trained_net()
    plain = Objective(model, F.cross_entropy, (x, y))
    vector = torch.randn(plain.n_parameters)
    truth = plain.loss(plain.theta + 0.1), plain.gradient(), plain.hvp(vector)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert F.linear(x, model[0].weight).dtype == torch.bfloat16  # else this test shows nothing
        inside = Objective(model, F.cross_entropy, (x, y))
        assert inside.loss(inside.theta + 0.1) == truth[0]
        assert torch.equal(inside.gradient(), truth[1])
        assert torch.equal(inside.hvp(vector), truth[2])


def test_a_model_and_data_made_in_inference_mode_can_be_looked_at() -> None:
    with torch.inference_mode():
        model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
        x, y = torch.randn(9, 3), torch.randint(2, (9,))
    use_all(Objective(model, F.cross_entropy, (x, y)))


class WritesToItsInput(nn.Module):
    """Normalizes its input in place, as a first layer that was meant for a loader's fresh batches."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        x -= 0.5
        return self.linear(x.relu_())


def test_a_model_that_writes_to_its_input_gets_copies_of_the_data() -> None:
    model, x, y = WritesToItsInput(), torch.randn(10, 3), torch.randint(2, (10,))
    array = x.numpy().copy()
    truth = F.cross_entropy(model.linear((x - 0.5).relu()), y).item()
    witness = Witness(model, x, y)
    for data in ((x, y), (array, y.numpy()), [(x[:4], y[:4]), (x[4:], y[4:])]):
        objective = Objective(model, F.cross_entropy, data)
        use_all(objective)
        assert objective.loss(objective.theta) == pytest.approx(truth, rel=1e-5)
    witness.assert_untouched()
    assert (array == x.numpy()).all()


def test_a_batch_that_the_loss_takes_apart_is_whole_again_at_the_next_call() -> None:
    def loss(model: nn.Module, batch: dict[str, Tensor]) -> Tensor:
        return F.cross_entropy(model(batch.pop("x")), batch.pop("y"))

    model, x, y = trained_net()
    data = {"x": x, "y": y}
    use_all(Objective(model, None, data, batch_loss=loss))
    assert set(data) == {"x", "y"}


def test_the_loaders_own_generator_is_left_as_it_was() -> None:
    model, x, y = trained_net()
    generator = torch.Generator().manual_seed(5)
    for loader in (
        DataLoader(TensorDataset(x, y), batch_size=6, shuffle=True, generator=generator),
        DataLoader(TensorDataset(x, y), batch_size=6, shuffle=True, num_workers=1, generator=generator),
    ):
        before = generator.get_state()
        witness = Witness(model, x, y)
        assert Objective(model, F.cross_entropy, loader).n_samples == 20
        witness.assert_untouched()
        assert torch.equal(generator.get_state(), before)
