"""What ``--help`` says of the commands: a line of each, and of some more."""

from __future__ import annotations

COMMANDS = {
    "run": "run what is missing of a plan file, then show its table",
    "register": "write down which runs a plan declares, before they are run",
    "ls": "list what is registered",
    "table": "show the results of a task, from its records alone",
    "leaderboard": "write one web page of all that a results folder holds",
    "compare": "show the paired difference of two arms, A - B",
    "dendrites": "show what the dendrites of a finished run learnt",
    "verify": "check that a results folder is whole, and that its scores and tables are what its runs give",
    "check": "put what is registered under a name through its conformance checks",
    "data": "list data sets, fetch or audit one",
    "train": "the same as TASK, on a table of your own",
    "tune": "search settings of models by validation score on development seeds",
    "predict": "apply a trained model to molecules",
}
EXAMPLES = """examples:
  python -m pbgraph.bench tox21                         what is missing of the default plan, then the table
  python -m pbgraph.bench tox21 --preset smoke          a minute's trial
  python -m pbgraph.bench tox21 --models gin --seeds 68-72 --split scaffold
  python -m pbgraph.bench compare tox21 trimnet/perforated trimnet/backprop
  python -m pbgraph.bench verify results --rerun 2      is all of it true? and do two runs come out again?
  python -m pbgraph.bench train my.csv --smiles SMILES --targets active --split scaffold
"""
PLANS = """PLAN is a TOML file, or the name of a registered plan ('ls plans'): which rows and seeds to run on which
task, with what set otherwise than in a preset. '--dry-run --write-plan FILE' writes the plan of any command line.
A plan that is registered before its first run is said to be so under its table; all others are exploratory."""
PLANS_EXAMPLES = """examples:
  python -m pbgraph.bench tox21 --set trimnet.hidden=64 --dry-run --write-plan wider.toml
  python -m pbgraph.bench register wider.toml
  python -m pbgraph.bench run wider.toml
"""
TRAIN = """TABLE is CSV (separated by commas, semicolons or tabs; plain or gzip) or Parquet, with a header, of up to
256 MiB unpacked. Labels: 0/1, false/true, no/yes or inactive/active are classes, other numbers are measured quantities;
blank, NA, N/A, NaN, null and none, and what --missing names, mean not measured. Rows whose SMILES cannot be read are
left out and named in every record.

The task is called after the file, with a hash of its content and of the columns; 'table', 'compare' and 'data audit'
know it by that name, with the same --results."""

TUNE = """Tries settings of each model, and of how it is trained, in the ranges that the model and the method declare;
the first trial is the preset's own recipe. A trial is judged by the mean score on the validation rows of the seeds; the
test rows are not read. Seeds from 68 on belong to results and are refused. Trials are lines of
RESULTS/tuning/TASK/MODEL-METHOD.jsonl; what is there counts, and whatever stops a search, the same command goes on."""
TUNE_EXAMPLES = """examples:
  python -m pbgraph.bench tune tox21 --models gin trimnet --trials 20 --seeds 0-2
  python -m pbgraph.bench tune tox21 --models gin --set training.epochs=20 --write-plan gin.toml
"""

OUTPUTS = ".csv, .tsv (both also .gz), .parquet, or stdout, as CSV"
PREDICT = """One row out per row in, in order: name, SMILES, a column per target, and why there is no prediction, if so.
Classification gives the probability of class 1, regression values in the units of the data. For a folder of several
models that differ in their seed alone, the mean, with the standard deviation as TARGET_sd. Any number of rows; runs on
the CPU. An output file is there whole in the end, or not at all."""

VERIFY = """Checks the records and the files beside them (hashes, orphans, twins), every score against its predictions
and the labels of the data, every table and page against the records, and every key against today's plan. With --rerun,
runs drawn at random are done again: by the numeric platform and package versions of the record they must be equal bit
for bit, elsewhere within the spread between platforms.

Prints what is wrong, one line each, and exits with 1; else prints a receipt in JSON. With --receipt it is written to
FILE in either case, with what is wrong in it. Where nothing is wrong but something could not be checked, mostly for
want of the data, the receipt names that and the exit code is 3. Pictures are not compared, and a table that was made
with options of its own is taken for wrong."""
VERIFY_EXAMPLES = """examples:
  python -m pbgraph.bench verify
  python -m pbgraph.bench verify my-results --offline --receipt receipt.json
  python -m pbgraph.bench verify --rerun 2 --seed 7
"""
