"""How long work is run: a worker that answers the latest request, and where it runs."""

from curvwidget.runs.executors import Executor, InlineExecutor, ThreadExecutor
from curvwidget.runs.worker import End, Failure, Interrupted, Worker

__all__ = ["End", "Executor", "Failure", "InlineExecutor", "Interrupted", "ThreadExecutor", "Worker"]
