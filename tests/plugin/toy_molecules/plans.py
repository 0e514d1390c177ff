"""What this package declares before it is run: is the network worth its size?"""

from pathlib import Path

from pbgraph.plans.plan_file import read_plan

WIDTHS = read_plan(Path(__file__).with_name("sum-net-widths.toml"))
