"""Options that several commands share: which runs are meant, how they are done, and in which folders."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pbgraph.cli.values import DEVICES, ENGINES, OneOf, file_to_write, jobs, share
from pbgraph.humanize import parse_seeds
from pbgraph.plans.declaration import Preset, Study
from pbgraph.plans.presets import presets, studies
from pbgraph.plans.shard import parse_shard


def add_plan_arguments(parser: argparse.ArgumentParser) -> None:
    """Which runs, and how they are done."""
    add_planned_arguments(parser)
    add_execution_arguments(parser)


def add_planned_arguments(parser: argparse.ArgumentParser) -> None:
    """Which runs."""
    add_preset_or_study_arguments(parser)
    add_selection_arguments(parser)
    add_arm_arguments(parser)
    add_set_argument(
        parser, "settings otherwise than in the preset, e.g. trimnet.hidden=64 training.epochs=60; see 'ls models NAME'"
    )
    parser.add_argument("--controls", action="store_true", help="every control of the planned methods as well")


def add_execution_arguments(parser: argparse.ArgumentParser) -> None:
    """How the runs of a plan are done."""
    add_worker_arguments(parser)
    add = parser.add_argument
    add("--engine", type=OneOf("engine", ENGINES), default="local", help="local (default), ray or shard")
    add("--address", metavar="HOST:PORT", help="of a Ray cluster (default: $RAY_ADDRESS, or one on this machine)")
    kept = "where --engine ray keeps saved states, so that runs survive their node: a shared folder, s3://..., gs://..."
    add("--checkpoints", default="", metavar="URI", help=kept)
    add("--gpu-share", type=share, default=1.0, metavar="X", help="of a GPU for each run, with --device cuda on Ray")
    add("--shard", type=parse_shard, metavar="I/N", help="do part I of N parts (default: as the SLURM array says)")
    add("--dry-run", action="store_true", help="print the plan and stop")
    add("--write-plan", type=file_to_write, metavar="FILE", help="write the plan as a file, which 'run' takes")
    add("--retry-failed", action="store_true", help="try runs again that failed earlier")


def add_set_argument(parser: argparse.ArgumentParser, help: str) -> None:
    """``--set``."""
    parser.add_argument("--set", nargs="+", action="extend", default=[], metavar="SCOPE.FIELD=VALUE", help=help)


def add_worker_arguments(parser: argparse.ArgumentParser) -> None:
    """``--jobs`` and ``--device``."""
    add_jobs_argument(parser)
    add_device_argument(parser)


def add_device_argument(parser: argparse.ArgumentParser) -> None:
    """``--device``."""
    parser.add_argument("--device", type=OneOf("device", DEVICES), default="auto", help="auto (default), cpu or cuda")


def add_jobs_argument(parser: argparse.ArgumentParser) -> None:
    """``--jobs``."""
    parser.add_argument("--jobs", type=jobs, metavar="N", help="worker processes (default: the cores)")


def add_arms_argument(parser: argparse.ArgumentParser) -> None:
    """``--arms``, which names variants too."""
    parser.add_argument(
        "--arms",
        nargs="+",
        metavar="MODEL/METHOD",
        help="only these, variants too, e.g. trimnet/backprop:hidden=64 trimnet/backprop",
    )


def add_choice_arguments(parser: argparse.ArgumentParser) -> None:
    """Which of the runs that there are."""
    parser.add_argument("--preset", metavar="NAME", help="only those of this preset")
    parser.add_argument("--split", metavar="NAME", help="only those of this split")
    parser.add_argument("--seeds", nargs="+", metavar="N", type=parse_seeds, help="only these, e.g. 68-72 or 68,70")
    parser.add_argument("--models", nargs="+", metavar="NAME", help="only these models")
    parser.add_argument("--methods", nargs="+", metavar="NAME", help="only these training methods")
    add_arms_argument(parser)
    add_results_argument(parser)


def add_selection_arguments(parser: argparse.ArgumentParser) -> None:
    """Split, folder and seeds of the runs that are meant."""
    add_split_arguments(parser)
    parser.add_argument(
        "--seeds", nargs="+", metavar="N", type=parse_seeds, help="e.g. 68-72 or 68,70, instead of the preset's"
    )


def add_preset_or_study_arguments(parser: argparse.ArgumentParser) -> None:
    """``--preset`` or ``--study``, of which one excludes the other."""
    add = parser.add_mutually_exclusive_group().add_argument
    add_preset_argument(add)
    add("--study", metavar="NAME", help=f"instead of a preset: {_summaries(studies())}")


def add_preset_argument(add: Callable[..., Any]) -> None:
    """``--preset`` alone; `add` is the method of a parser or of a group."""
    add("--preset", metavar="NAME", help=f"{_summaries(presets())}; or a part of a study (default: default)")


def _summaries(plans: Mapping[str, Preset | Study]) -> str:
    return "; ".join(f"{name}: {plan.summary}" if plan.summary else name for name, plan in plans.items())


def add_split_arguments(parser: argparse.ArgumentParser) -> None:
    """``--split``, and the folder of the records."""
    parser.add_argument("--split", metavar="NAME", help="instead of the task's usual split; see 'ls splits'")
    add_results_argument(parser)


def add_results_argument(parser: argparse.ArgumentParser) -> None:
    """``--results``, the folder of the records."""
    parser.add_argument(
        "--results", type=Path, default=Path("results"), metavar="DIR", help="folder of the records (default: results)"
    )


def add_arm_arguments(parser: argparse.ArgumentParser) -> None:
    """``--models`` and ``--methods``."""
    parser.add_argument("--models", nargs="+", metavar="NAME", help="only these models, or all; see 'ls models'")
    parser.add_argument(
        "--methods", nargs="+", metavar="NAME", help="only these training methods, or all; see 'ls methods'"
    )


def add_data_folder_arguments(parser: argparse.ArgumentParser) -> None:
    """Where data come from."""
    parser.add_argument("--data", type=Path, metavar="DIR", help="look for data here first")
    parser.add_argument("--offline", action="store_true", help="fetch nothing")
