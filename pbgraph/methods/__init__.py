"""Training methods: how a model is fitted, one file for each family."""
