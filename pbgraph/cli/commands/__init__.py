"""The commands of `pbgraph.bench`, a file for each group: what each takes, and what it does with that.

``add_NAME_arguments(parser)`` says what a command takes and sets `command`, the function that does it and returns the
exit code; `pbgraph.cli.arguments` names it. Heavy imports are made where they are needed.
"""
