"""Where and when runs are done: worker processes on this machine, and parts of a plan for many."""
