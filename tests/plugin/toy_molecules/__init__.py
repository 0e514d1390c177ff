"""A third party's package: one of each kind that can be added to pbgraph, each with one line in pyproject.toml."""
