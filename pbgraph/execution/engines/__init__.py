"""Where and when runs are done: worker processes on this machine."""
