"""DeepChem, kept quiet: its loaders are data sets, its splitters splits."""
