"""Models: one paper per file, each registered through an entry point."""
