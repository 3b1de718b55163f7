"""Losses and models to teach with."""
