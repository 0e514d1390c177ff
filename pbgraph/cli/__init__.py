"""The command line: which commands there are (`arguments`), and what each takes and does (`commands`)."""
