"""What training computes, as digests: of every registered model, every registered method, and some whole tiny runs.

    python tests/numeric_digests.py          prints one line of JSON: the numeric platform, versions, digests

It starts itself anew in the environment of workers. `numeric_digests.json` holds what is known, per platform;
`python tests/numeric_digests.py --add` writes down what this machine says of its own. Each digest is kept with what it
is of, versions and a hash of config and settings; where these are the same and numbers are not, `--add` refuses.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, is_dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from own_tables import lines, write

if TYPE_CHECKING:
    from pbgraph.methods.base import Method
    from pbgraph.models.base import Architecture, Estimator, Model
    from pbgraph.registry import Registry

KNOWN = Path(__file__).with_suffix(".json")
RUNS = ("gin/backprop", "trimnet/perforated", "random-forest/fit")
STEPS = 3
Entry = dict[str, Any]  # digest; of: what it is of -> version or hash; packages: other libraries that take part


def main() -> None:
    from pbgraph.execution import numerics

    if "--here" not in sys.argv:
        words = [sys.executable, __file__, "--here", *sys.argv[1:]]
        os.execve(sys.executable, words, {**os.environ, **numerics.environment()})
    numerics.settle()
    found = computed()
    if "--add" in sys.argv:
        known = json.loads(KNOWN.read_text())
        if changed := changed_unnoticed(known, found):
            sys.exit("\n".join([*changed, "nothing was written down"]))
        KNOWN.write_text(json.dumps(with_found(known, found), indent=1) + "\n")
    print(json.dumps(found))


def known_of(known: list[Entry], found: Entry) -> Entry | None:
    """What is known of the platform and the versions of `found`; None if nothing is."""

    def identity(one: Entry) -> Entry:
        return {**one["platform"], "probe": "", "versions": one["versions"]}

    return next((one for one in known if identity(one) == identity(found)), None)


def changed_unnoticed(known: list[Entry], found: Entry) -> list[str]:
    """A sentence for each digest that is another although what it is of is the same."""
    mine = known_of(known, found)
    return [] if mine is None else [said for said in complaints(mine, found) if said.startswith("numbers")]


def with_found(known: list[Entry], found: Entry) -> list[Entry]:
    """What is known, with what was found in the place of what was known of that platform.

    The digest of a model whose package is not installed here is kept.
    """
    mine = next((one for one in known if one["platform"] == found["platform"]), {"digests": {}})
    kept = {name: one for name, one in mine["digests"].items() if name in found["left_out"]}
    digests = {**kept, **found["digests"]}
    said = {"platform": found["platform"], "versions": found["versions"], "digests": digests}
    return [*(one for one in known if one["platform"] != found["platform"]), said]


def computed() -> Entry:
    """The platform of this process, what it computes, and what it cannot, with the reason."""
    import torch

    from pbgraph.execution.numerics import numeric_platform
    from pbgraph.methods.base import METHODS
    from pbgraph.models.base import MODELS, Architecture

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    torch.use_deterministic_algorithms(True)  # with NaN in new memory, which finds what reads before it writes
    digests, left_out = {}, {}
    for model in own(MODELS):
        if isinstance(model, Architecture):
            digests[f"model {model.name}"] = of_network(model)
        elif (missing := model.unavailable()) is None:
            digests[f"model {model.name}"] = of_estimator(model)
        else:
            left_out[f"model {model.name}"] = missing
    digests |= {f"method {method.name}": of_method(method) for method in own(METHODS)} | of_runs()
    versions = {name: version(name) for name in ("numpy", "rdkit")}
    return {"platform": asdict(numeric_platform()), "versions": versions, "digests": digests, "left_out": left_out}


def own(registry: Registry[Any]) -> Iterator[Any]:
    """What this package registers; others that are installed have numbers of their own."""
    return (registry.get(name) for name in registry if registry.packages(name) == ["pbgraph"])


def complaints(known: Entry, found: Entry) -> Iterator[str]:
    """What is to be done about digests of one platform that are not those that are known, a sentence each."""
    left_out, known, found = found["left_out"], known["digests"], found["digests"]
    add = "run 'python tests/numeric_digests.py --add'"
    for name in sorted({*known, *found} - {*left_out}):
        if name not in found:
            yield f"{name} is no more: {add}"
        elif name not in known:
            yield f"{name} has no digest yet: {add}"
        elif (before := known[name]["of"]) != (now := found[name]["of"]):
            pairs = ((what, before.get(what, "absent"), now.get(what, "absent")) for what in {**before, **now})
            changes = ", ".join(f"{what} {old} -> {new}" for what, old, new in pairs if old != new)
            yield f"{name} is asked something else ({changes}): {add}"
        elif known[name]["packages"] == found[name]["packages"] and known[name]["digest"] != found[name]["digest"]:
            versions = ", ".join(f"{what} {value}" for what, value in now.items() if what != "settings")
            yield f"numbers of {name} changed: raise the version of what changed them ({versions}), and {add}"


def other_packages(known: Entry, found: Entry) -> list[str]:
    """What was not compared, since its packages are of other versions."""
    before, now = known["digests"], found["digests"]
    return sorted(name for name in {*before} & {*now} if before[name]["packages"] != now[name]["packages"])


def sha(*arrays: np.ndarray) -> str:
    """First 12 hex digits of the SHA-256 of their bytes."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:12]


def sha_of(*said: Any) -> str:
    """The same of what JSON can hold; of dataclasses, what a spec names of them."""
    from pbgraph.fields import told
    from pbgraph.files.hashing import canonical_json

    plain = [told(type(one), asdict(one)) if is_dataclass(one) and not isinstance(one, type) else one for one in said]
    return sha(np.frombuffer(canonical_json(plain), np.uint8))


def molecules(columns: slice = slice(1, 3)) -> tuple[list[str], np.ndarray]:
    """SMILES and labels of 120 molecules, by default with two assays."""
    rows = lines()[1:]
    return [row[0] for row in rows], np.array([[float(cell or "nan") for cell in row[columns]] for row in rows], "f4")


def features(model: Model) -> dict[str, int]:
    """The version of the featuriser of a model."""
    from pbgraph.features.base import FEATURISERS

    return {f"featuriser {model.featuriser}": FEATURISERS.get(model.featuriser).version}


def entry(digest: str, of: Mapping[str, object], model: Model) -> Entry:
    """A digest with what it is of, and the version of the package that fits the model, if one does."""
    package = getattr(model, "package", "").replace("sklearn", "scikit-learn")
    packages = {package: version(package)} if package else {}
    return {"digest": digest, "of": {f"model {model.name}": model.version, **of}, "packages": packages}


def of_network(model: Architecture) -> Entry:
    """Of weights after three steps of AdamW on batches of 60 molecules, dropout included."""
    from pbgraph.features.base import FEATURISERS
    from pbgraph.features.preparation import fitted_to
    from pbgraph.methods.base import FitJob
    from pbgraph.methods.optimizers import make_optimizer
    from pbgraph.methods.training import TrainSettings, build_model, make_loss, train_step
    from pbgraph.streams import seeded

    store, _ = fitted_to(FEATURISERS.get(model.featuriser).featurise(*molecules()), "classification")
    job = FitJob(
        model=model,
        config=model.config(),
        settings=TrainSettings(),
        train=store,
        valid=store,
        seed=0,
        metric=lambda y, score: 0.0,
    )
    with seeded(0, "run"):
        network = build_model(job).train()
        optimizer, loss = make_optimizer(job.settings, network)(network.parameters()), make_loss(job)
        for step in range(STEPS):
            order = np.roll(np.arange(120), 37 * step)
            train_step(network, optimizer, loss, batch=store.batch(order[:60]), settings=job.settings)
        digest = sha(*(value.detach().numpy() for value in network.state_dict().values()))
    return entry(digest, features(model) | {"settings": sha_of(job.config, job.settings)}, model)


def of_estimator(model: Estimator) -> Entry:
    """Of what it predicts for 120 molecules after it was fitted to 80, to each kind of tasks that it can be."""
    from pbgraph.features.base import FEATURISERS

    predicted, whole = [], FEATURISERS.get(model.featuriser).featurise(*molecules())
    for fit, columns in ((model.fit_classifier, slice(1, 3)), (model.fit_regressor, slice(4, 5))):
        if fit is not None:
            store = replace(whole, y=molecules(columns)[1])
            some = store.select(np.arange(80))
            predicted.append(fit(some.x, some.y, model.config(), 0).predict(store.x))
    return entry(sha(*predicted), features(model) | {"settings": sha_of(model.config())}, model)


def of_method(method: Method) -> Entry:
    """Of what it makes of the small network, or forest, that its conformance checks train for a few epochs."""
    from pbgraph.methods.base import METHODS
    from pbgraph.testing.methods import job_of

    job = job_of(method)
    fitted = method.fit(job)
    said = sha_of(fitted.selection, fitted.history, fitted.epochs, fitted.parameters, fitted.details)
    both = [method] if method.control_of is None else [method, METHODS.get(method.control_of)]
    of = {f"method {one.name}": one.version for one in both}
    of["settings"] = sha_of(job.config, *(job_of(one).settings for one in both))
    return entry(sha(fitted.predict(job.valid), np.frombuffer(said.encode(), np.uint8)), of, job.model)


def of_runs() -> dict[str, Entry]:
    """Of what some runs on the 120 molecules came to, data, split and scores included; nothing is left of them."""
    from pbgraph.datasets.user.table import describe, to_dataset
    from pbgraph.execution.fitting import RunOptions
    from pbgraph.execution.runner import run
    from pbgraph.models.base import MODELS
    from pbgraph.plans.plan import plan
    from pbgraph.results.described import keep
    from pbgraph.results.folder import ResultsFolder

    entries = {}
    with tempfile.TemporaryDirectory() as folder:
        table, results = write(Path(folder)), Path(folder, "results")
        task = describe(table, smiles="SMILES", targets=["toxic", "even"], id="name")
        keep(task, ResultsFolder(results))
        arms = (arm.split("/") for arm in RUNS)
        specs = [plan(to_dataset(task), "smoke", models=[model], methods=[method]).specs[-1] for model, method in arms]
        for spec in specs:
            record = run(spec, RunOptions(results))
            of = {f"{what} {getattr(spec, what)}": spec.versions[what] for what in ("method", "split", "metric")}
            of |= features(MODELS.get(spec.model)) | {"settings": sha_of(spec.model_config, spec.settings, spec.seed)}
            of["schema"] = record.schema
            digest = sha_of(record.selection, record.scores, record.history)
            entries[f"run {spec.arm}"] = entry(digest, of, MODELS.get(spec.model))
    return entries


if __name__ == "__main__":
    main()
