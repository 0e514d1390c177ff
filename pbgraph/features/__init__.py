"""SMILES to the numbers a model reads: graphs and fingerprints."""
