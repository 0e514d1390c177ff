"""pbgraph: do perforated dendrites make graph neural networks better?

A benchmark harness for molecular property prediction: data, splits, models, training methods and
their controls, and records of every run, in one registry. Start with ``python -m pbgraph.bench tox21``.
"""

__version__ = "0.1.0"
