"""Where and when runs are done: one file for each engine, `local` for worker processes on this machine.

`base` says what engines and workers say to each other, `schedule` what is left to do and in which order, `worker` is a
process that does runs, and `progress` shows how it goes. An engine never decides what a run is.
"""
