"""Which runs a benchmark consists of: presets, studies, and shares of them for several machines."""
