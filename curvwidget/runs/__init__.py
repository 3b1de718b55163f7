"""How long work is run: a worker that answers the latest request, where it runs, and what is kept of it."""

from curvwidget.runs.executors import Executor, InlineExecutor, ThreadExecutor
from curvwidget.runs.kept import Kept, bytes_of
from curvwidget.runs.worker import End, Failure, Interrupted, Worker

__all__ = ["End", "Executor", "Failure", "InlineExecutor", "Interrupted", "Kept", "ThreadExecutor", "Worker", "bytes_of"]
