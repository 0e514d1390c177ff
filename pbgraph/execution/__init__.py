"""From specs to records: one run, and the engines that do many."""
