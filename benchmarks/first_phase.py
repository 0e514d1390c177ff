"""What sharing the first neuron phase saves: the arms of one seed, each by itself and one after another.

    python benchmarks/first_phase.py [--arms backprop perforated continued] [--set SCOPE.FIELD=VALUE ...]

Every arm is a command of its own with one worker. Between those of the first round what they left of the phase is
deleted, in the second it stays. CPU seconds of the workers' processes, the time of starting them included; TrimNet by
the default preset, on a development seed. The scores of both rounds have to be equal. Needs a checkout without changes,
as `pbgraph.methods.first_phase` does.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from pbgraph.results.folder import ResultsFolder


def seconds(command: list[str]) -> float:
    """CPU seconds of a command and all that it starts."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def round_of(arms: list[str], settings: list[str], seed: str, *, shared: bool) -> tuple[dict[str, float], list[object]]:
    """CPU seconds of each arm, and the validation score of each run."""
    spent = {}
    with tempfile.TemporaryDirectory() as folder:
        results = ResultsFolder(Path(folder))
        for arm in arms:
            command = [sys.executable, "-m", "pbgraph.bench", "tox21", "--models", "trimnet", "--methods", arm]
            command += ["--seeds", seed, "--jobs", "1", "--results", folder]
            spent[arm] = seconds(command + (["--set", *settings] if settings else []))
            if not list(results.first_phases_path.rglob("*.safetensors")):
                raise SystemExit("nothing was left for other arms: commit what was changed, and start again")
            if not shared:
                shutil.rmtree(results.first_phases_path)
        scores: list[object] = [(record.spec.arm, record.selection) for record in results.records("tox21")]
    return spent, sorted(scores, key=str)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arms", nargs="+", default=["backprop", "perforated", "continued"])
    parser.add_argument("--set", nargs="+", default=[], dest="settings")
    parser.add_argument("--seed", default="5")
    given = parser.parse_args()
    alone, before = round_of(given.arms, given.settings, given.seed, shared=False)
    together, after = round_of(given.arms, given.settings, given.seed, shared=True)
    if before != after:
        raise SystemExit(f"the scores differ: {before} and {after}")
    print("| arm | each by itself | one after another | ratio |\n|---|---:|---:|---:|")
    for arm in given.arms:
        print(f"| {arm} | {alone[arm]:.0f} s | {together[arm]:.0f} s | {together[arm] / alone[arm]:.2f} × |")
    whole, less = sum(alone.values()), sum(together.values())
    print(f"| all | {whole:.0f} s | {less:.0f} s | {less / whole:.2f} × |")


if __name__ == "__main__":
    main()
