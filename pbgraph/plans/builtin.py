"""The plans that come with pbgraph, from the files beside this one."""

from __future__ import annotations

from pathlib import Path

from pbgraph.plans.plan_file import read_plan

FILES = Path(__file__).parent / "files"

SMOKE = read_plan(FILES / "smoke.toml")
DEFAULT = read_plan(FILES / "default.toml")
ANSWER = read_plan(FILES / "answer.toml")
ANSWER_CV5X5 = read_plan(FILES / "answer-cv5x5.toml")  # based on the one before, which has to be there by then
PAPER = read_plan(FILES / "paper.toml")
COMPRESSION = read_plan(FILES / "compression.toml")
