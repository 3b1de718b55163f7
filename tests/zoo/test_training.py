"""Classifiers and approximators are trained from a seed and leave everything else alone."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch

import curvwidget as cw
from curvwidget import zoo


@pytest.mark.parametrize(("kind", "n"), [("linear", 650), ("mlp", 10_002), ("conv", 1_898)])
@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_a_digits_classifier_reads_digits_it_has_not_seen(kind, n, activation) -> None:
    digits = zoo.digits_classifier(kind, activation=activation)
    assert digits.objective().n_parameters == n
    assert digits.objective().n_samples == 1347
    assert digits.objective("test").n_samples == 450
    assert digits.accuracy("test") > 0.9
    losses = [checkpoint.train_loss for checkpoint in digits.checkpoints]
    assert losses[0] > 2
    assert losses[-1] < 0.3


def test_checkpoints_are_the_way_from_the_first_weights_to_the_last() -> None:
    digits = zoo.digits_classifier("linear", epochs=8, checkpoints=5, dtype=torch.float64)
    assert [checkpoint.epoch for checkpoint in digits.checkpoints] == [0, 2, 4, 6, 8]
    final = torch.nn.utils.parameters_to_vector(digits.model.parameters())
    assert torch.equal(digits.checkpoints[-1].theta, final)
    for index, checkpoint in enumerate(digits.checkpoints):
        for data, loss in (("train", checkpoint.train_loss), ("test", checkpoint.test_loss)):
            objective = digits.objective(data, checkpoint=index)
            assert torch.equal(objective.theta, checkpoint.theta)
            assert objective.loss() == pytest.approx(loss, rel=1e-12)
    # by hand, from the weights
    x, y = digits.test
    W, b = final[:640].reshape(10, 64), final[640:]
    logits = (x.flatten(1) @ W.T + b).detach().numpy()
    nll = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(450), y.numpy()]
    assert digits.checkpoints[-1].test_loss == pytest.approx(nll.mean(), rel=1e-12)
    assert digits.accuracy() == (logits.argmax(axis=1) == y.numpy()).mean()


def test_the_seed_decides_everything_and_the_global_generator_nothing() -> None:
    state = torch.get_rng_state()
    first = zoo.digits_classifier("conv", epochs=1, seed=4)
    assert torch.equal(state, torch.get_rng_state())
    torch.randn(7)
    again, other = (zoo.digits_classifier("conv", epochs=1, seed=seed) for seed in (4, 5))
    assert torch.equal(first.checkpoints[-1].theta, again.checkpoints[-1].theta)
    assert not torch.equal(first.checkpoints[0].theta, other.checkpoints[0].theta)
    assert torch.equal(first.test[0], other.test[0])


def test_train_and_test_share_no_digit() -> None:
    (x, y), (x_test, y_test) = zoo.load_digits()
    assert x.shape == (1347, 1, 8, 8)
    assert x_test.shape == (450, 1, 8, 8)
    assert (float(x.min()), float(x.max())) == (0.0, 1.0)
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    together = np.concatenate([x, x_test]).reshape(1797, 64) * 16
    order = np.lexsort(together.T)
    np.testing.assert_array_equal(together[order], images[np.lexsort(images.T)])
    np.testing.assert_array_equal(np.bincount(np.concatenate([y, y_test])), np.bincount(labels))


# reference: theory, claim 13 (the curve sin(2πx), tanh, 500 epochs)
@pytest.mark.parametrize(("seed", "smallest", "largest"), [(0, -0.69, 213), (1, -0.017, 210), (2, -0.13, 286)])
def test_the_approximator_is_that_of_the_theory(seed, smallest, largest) -> None:
    curve = zoo.function_approximator("sin", seed=seed, checkpoints=2)
    objective = curve.objective()
    assert objective.n_parameters == 20_501
    ends = cw.extreme_eigenpairs(objective)
    assert ends.values[0] == pytest.approx(largest, abs=0.5)
    assert ends.values[1] == pytest.approx(smallest, rel=0.03)


def test_the_approximator_is_tested_between_the_points_it_was_trained_on() -> None:
    curve = zoo.function_approximator("cos", hidden=(20,), epochs=300)
    x, y = curve.test
    assert x.shape == (100, 1)
    assert float(x[0]) == pytest.approx(-0.99)
    torch.testing.assert_close(y, torch.cos(x))
    assert curve.checkpoints[-1].test_loss < 0.05 * curve.checkpoints[0].test_loss
    with pytest.raises(ValueError, match="targets must be class labels"):
        curve.accuracy()


def test_without_scikit_learn_a_message_says_what_to_install(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(ImportError, match=r"pip install 'curvwidget\[lab\]'"):
        zoo.load_digits()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: zoo.digits_classifier("svm"), ValueError, "kind must be one of 'linear', 'mlp', 'conv', got 'svm'"),
        (lambda: zoo.digits_classifier(activation="gelu"), ValueError, "activation must be one of 'tanh', 'silu', 'relu'"),
        (lambda: zoo.digits_classifier("linear", epochs=0), ValueError, "epochs must be at least 1, got 0"),
        (lambda: zoo.function_approximator("tan"), ValueError, "target must be one of 'cos', 'sin'"),
        (lambda: zoo.digits_classifier("linear", epochs=1).objective("all"), ValueError, "data must be one of 'train', 'test'"),
        (
            lambda: zoo.digits_classifier("linear", epochs=1).objective(checkpoint=2),
            IndexError,
            "checkpoint must be from -2 to 1",
        ),
    ],
)
def test_what_cannot_be_is_refused(call, error, message) -> None:
    with pytest.raises(error, match=message):
        call()


def test_training_that_diverges_says_so() -> None:
    x, y = torch.full((4, 1), 1e30), torch.ones(4, 1)
    build = lambda: torch.nn.Linear(1, 1)  # noqa: E731
    with pytest.raises(RuntimeError, match="training ended in a loss of"):
        zoo.train_model(build, torch.nn.functional.mse_loss, (x, y), (x, y), epochs=2, learning_rate=1.0)
