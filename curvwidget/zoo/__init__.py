"""Losses and models to teach with: each from one line, with what is known about it."""

from curvwidget.zoo.approximator import function_approximator
from curvwidget.zoo.cifar10 import Cifar10, load_cifar10
from curvwidget.zoo.classical import CLASSICAL, ClassicalFunction
from curvwidget.zoo.densenet import DenseNet, densenet121
from curvwidget.zoo.digits import digits_classifier, load_digits
from curvwidget.zoo.lifted import LiftedFunction, lift_function
from curvwidget.zoo.quadratic import quadratic_loss
from curvwidget.zoo.resnet import ResNet, resnet20, resnet56
from curvwidget.zoo.saddle import saddle_loss, saddle_spectrum
from curvwidget.zoo.training import Checkpoint, Training, train_model

__all__ = [
    "saddle_loss",
    "saddle_spectrum",
    "quadratic_loss",
    "CLASSICAL",
    "ClassicalFunction",
    "LiftedFunction",
    "lift_function",
    "digits_classifier",
    "load_digits",
    "function_approximator",
    "Checkpoint",
    "Training",
    "train_model",
    "ResNet",
    "resnet20",
    "resnet56",
    "DenseNet",
    "densenet121",
    "Cifar10",
    "load_cifar10",
]
