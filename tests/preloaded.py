"""What the process imports that workers are forked from, and the machine code that most of them need; see `forked`."""

import numba  # noqa: F401
import pandas  # noqa: F401
import pyarrow.parquet  # noqa: F401
import rdkit.Chem  # noqa: F401
import sklearn.ensemble  # noqa: F401
import torch
import torch._dynamo  # noqa: F401 (torch's optimisers import it)

import pbgraph.execution.engines.worker
import pbgraph.execution.runner  # noqa: F401
from pbgraph.ops import kernels

kernels._index_checks()
kernels.slow_because()
