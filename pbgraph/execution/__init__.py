"""From specs to records: one run, which `runner` composes, and the `engines` that do many."""
