"""SMILES -> molecules of RDKit, and what is known of each structure; on all cores where that pays."""
