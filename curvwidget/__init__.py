"""Jupyter widgets that show the loss landscape of a PyTorch model, and whether its picture can be believed."""

__version__ = "0.1.0.dev0"
