"""The plans that come with pbgraph, from the files beside this one."""

from __future__ import annotations

from pathlib import Path

from pbgraph.plans.plan_file import read_plan

FILES = Path(__file__).parent / "files"

# in such an order that a plan which is based on another has it there by then
SMOKE = read_plan(FILES / "smoke.toml")
DEFAULT = read_plan(FILES / "default.toml")
ANSWER = read_plan(FILES / "answer.toml")
ANSWER_CV5X5 = read_plan(FILES / "answer-cv5x5.toml")
REGISTRY = read_plan(FILES / "registry.toml")
REGISTRY_SCAFFOLD = read_plan(FILES / "registry-scaffold.toml")
REGISTRY_OTHERS = read_plan(FILES / "registry-others.toml")
PAPER = read_plan(FILES / "paper.toml")
PAPER_FIRST = read_plan(FILES / "paper-first.toml")
PAPER_SECOND = read_plan(FILES / "paper-second.toml")
COMPRESSION = read_plan(FILES / "compression.toml")
