"""What built-in methods are to each other. Imports nothing, so that tables are made of records without torch.

A control says itself, by `control_of` of its `Method`, with which method it is paired, and its records name the run.
"""

from __future__ import annotations

PLAIN = "backprop"  # trains a model as it is: what every arm is compared with
PERFORATED = "perforated"  # what the benchmark is about: tables answer for it in words, and controls are paired with it
CONTINUED, WIDENED, WIDENED_CONTINUED, ENSEMBLE = "continued", "widened", "widened-continued", "ensemble"
# controls of it without dendrites; where there is none of each kind, nothing says what dendrites add
OF_ITS_TRAINING, OF_ITS_SIZE = {CONTINUED, WIDENED_CONTINUED}, {WIDENED, WIDENED_CONTINUED, ENSEMBLE}
EXTERNAL = "external"  # of predictions that another tool made: no method of ours, so no plan has runs of it
GRAPHLESS = "features-only"  # the model that has a network's features and not its graphs
