"""What ``--help`` says of the commands: a line of each, and of some more."""

from __future__ import annotations

from collections.abc import Mapping

COMMANDS = {
    "run": "run what is missing of a plan file, then show its table",
    "work": "do runs of a plan that nobody else does, beside other machines that share the folder",
    "submit": "write what is left of a plan as a SLURM job, and submit it",
    "register": "write down which runs a plan declares, before they are run",
    "ls": "list what is registered",
    "table": "show the results of a task, from its records alone",
    "leaderboard": "write one web page of all that a results folder holds",
    "compare": "show the paired difference of two arms, A - B, or all arms at once",
    "dendrites": "show what the dendrites of a finished run learnt, or could learn",
    "status": "show what is done, running, failed and to do, while others run it",
    "runs": "list the runs of a task one by one",
    "show": "show one run: settings, scores, history, dendrites, where it comes from",
    "rm": "move runs to the trash of their results folder, with all that belongs to them",
    "export": "write the runs of a task to files for other programs",
    "score": "score predictions of another tool on a split, as a row beside ours",
    "average": "average what arms predict, seed by seed, and make a row of it",
    "splits": "write splits as files that another tool trains on",
    "pack": "check a results folder and write it as one archive, to be sent or submitted",
    "merge": "take over the runs of other machines, from folders or zip archives",
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
TRAIN = """TABLE is CSV (separated by commas, semicolons or tabs; plain or gzip) or Parquet, with a header, of up to
256 MiB unpacked. Labels: 0/1, false/true, no/yes or inactive/active are classes, other numbers are measured quantities;
blank, NA, N/A, NaN, null and none, and what --missing names, mean not measured. Rows whose SMILES cannot be read are
left out and named in every record. --graph-columns are finite numbers or blank, and vary; 'predict' needs them too.

The task is called after the file, with a hash of its content and of the columns; 'table', 'compare' and 'data audit'
know it by that name, with the same --results."""

TUNE = """Tries settings of each model, and of how it is trained, in the ranges that the model and the method declare;
the first trial is the preset's own recipe. A trial is judged by the mean score on the validation rows of the seeds; the
test rows are not read. Seeds from 68 on belong to results and are refused. Trials are lines of
RESULTS/tuning/TASK/MODEL-METHOD.jsonl; what is there counts, and whatever stops a search, the same command goes on.
--found shows what all searches of the task have found by now, beside their recipes; with --write-plan, the best of each
of them becomes a row of one plan."""

SCORE = """FILE is CSV (plain or gzip) or Parquet, with a column of names (or of structures, however they are
written), and one for each target: the probability of class 1, or a value in the unit of the data. Every test
molecule of the split is there once, in any order; others of the task may be there too, and if all validation
molecules are, these are scored as well. The row has the method 'external' and stands beside the runs of --preset;
'compare' pairs it with any of them. What the tool did is not known here, so it has no cost, and 'verify' makes its
scores anew from what was predicted. 'splits' writes what the tool has to be trained on. A result is kept once: other
predictions need another --name, or 'rm'."""

AVERAGE = """The mean of the probabilities, or values, that finished runs of the arms predict of the test rows, each arm
counting alike: what a network and a forest are worth together. Nothing is trained or chosen. The row has the method
'external', names the runs that it is of, and is averaged again by 'verify' where they are there."""
SPLITS = """DIR/TASK.csv has all molecules of the task, with names, structures and labels; DIR/TASK-SPLIT-SEED/ the
parts of a split: train.csv, valid.csv and test.csv with the same columns, and splits.json, the numbers of their rows
in TASK.csv as chemprop takes them by --splits-file. A tool that is trained on train.csv alone, chooses by valid.csv,
and never reads the labels of test.csv before it predicts, is scored as our runs are, by 'score'. --chosen-by says how
much of each test was validation rows of the seeds that settings were searched on: random splits share molecules."""
OUTPUTS = ".csv, .tsv (both also .gz), .parquet, or stdout, as CSV"
PREDICT = """One row out per row in, in order: name, SMILES, a column per target, and why there is no prediction, if
so. Classification gives the probability of class 1, regression values in the units of the data. For a folder of
several models that differ in their seed alone, the mean, with the standard deviation as TARGET_sd; with --arm given
twice or more, the mean of these arms, each counting alike, and the standard deviation over all their models. With
--embeddings, of one network, the vector of each molecule that its head reads, as e0, e1, and so on. Any number of
rows; runs on the CPU. An output file is there whole in the end, or not at all."""

VERIFY = """Checks the records and the files beside them (hashes, orphans, twins), every score against its predictions
and the labels of the data, every table and page against the records, and every key against today's plan. With --rerun,
runs drawn at random are done again: by the numeric platform and package versions of the record they must be equal bit
for bit, elsewhere within the spread between platforms.

Prints what is wrong, one line each, and exits with 1; else prints a receipt in JSON. With --receipt it is written to
FILE in either case, with what is wrong in it. Where nothing is wrong but something could not be checked, mostly for
want of the data, the receipt names that and the exit code is 3. Pictures are not compared, and a table that was made
with options of its own is taken for wrong."""

STATUS = """Takes nothing and waits for nobody: it may be called at any time beside the process that does the runs, on
any machine that sees the folder. A run whose process was killed is not running; where it left a saved state, it goes on
from there. Without TASK, every task in the results folder. To do is what is missing of the plan that the options name
(default: the default preset); --jobs says for how many workers the time left is reckoned. Of registered plans it is
said how many runs are done; where a task has some, and no run of the default preset, that one is not asked for."""
SHOW = """KEY is the beginning of a run's key, of at least four characters, as 'runs' lists it. What was set otherwise
than in the recipe of the preset has a star."""
RM = """Record, predictions, insights, saved model and saved state go to RESULTS/.trash/<time>/, each under the path
that it had: all of them, or if one cannot be moved, none. A run in progress is not moved. A control needs the run that
it is paired with, and an average those it is of, so that these are moved only together with what needs them. If the
command is killed half-way, nothing is lost: given again it moves the rest, and what was moved is put back by copying,
as it says in the end:

  cp -Rpn RESULTS/.trash/<time>/. RESULTS/"""
EXPORT = """--csv has a row for each run: what it is, its scores by every metric, what it cost, where it comes from, and
every setting. --histories has a row for each epoch of each run. Numbers are not rounded; what has no value is blank.
--mlflow needs the extra 'mlflow', and writes to DIR/mlflow.db an experiment for each task and a run for each run, with
settings as params, scores as metrics, of each target too, epochs as steps, and where it comes from as tags. What is
there already is not written again: 'mlflow ui --backend-store-uri sqlite:///DIR/mlflow.db' shows it."""

WORK = """Takes one run after another that nobody else does. Any number of workers, on as many machines as share the
results folder, can be started and ended at any time; each says by a lease in RESULTS/.work/leases what it is at, and
keeps that fresh. What a dead worker leaves is taken over from its saved state after six heartbeats; clocks need not
agree. A worker waits for what others are at, unless --no-wait. At Ctrl-C, SIGUSR1 or the end of --until it saves what
it does and gives it back (exit code 130)."""

MERGE = """Copies runs with all that belongs to them into --results, after their digests were checked: a torn or edited
file is refused, and no name from an archive becomes a path. Nothing is overwritten, and what is there already is left.
Where two records of one run say different things, it is said how they differ (scores, processor, numeric platform,
versions), none of them comes in, what is there stays, and a copy of each is put into RESULTS/.aside/KEY-DIGEST/ (exit
code 1). Registered plans and descriptions of tables come along; searches only where there is none of the same arm."""

PACK = """Does what 'verify' does, without reruns, and if nothing is wrong writes FILE, a zip archive that 'merge'
takes: records, predictions, insights, registered plans, descriptions of tables and searches, as they are in RESULTS;
beside them receipt.json, what was checked; packages.txt, the versions of all that is installed here; and plans/,
plan files by which 'run' does the runs again. Tables and pages are made anew where it is merged. Whoever merges
checks every digest, and 'verify' all the rest, so that nothing is believed for the receipt's sake."""

SUBMIT = """Leaves out what is finished, puts short runs together by the time that they are expected to take, and writes
a job file into RESULTS/.work/slurm/, whose tasks are workers ('work'). The exact sbatch line goes to stdout, one for
each array if there are more tasks than --array-limit, and is called unless --print. A task saves what it does before
its time is up and gives it back: when the jobs are over, the same command submits what is left, if anything is."""

DESCRIPTIONS: Mapping[str, str] = {
    "run": PLANS,
    "work": WORK,
    "submit": SUBMIT,
    "merge": MERGE,
    "pack": PACK,
    "score": SCORE,
    "average": AVERAGE,
    "splits": SPLITS,
    "register": PLANS,
    "tune": TUNE,
    "verify": VERIFY,
    "predict": PREDICT,
    "train": TRAIN,
    "status": STATUS,
    "show": SHOW,
    "rm": RM,
    "export": EXPORT,
}
OF_TASK = """
  {task}                             what is missing of the default plan, then the table
  {task} --preset smoke --dry-run    what a minute's trial would run
  {task} --models gin trimnet --seeds 68-72 --split scaffold
  {task} --set trimnet.hidden=64 training.epochs=60
"""
OF_COMMANDS: Mapping[str, str] = {
    "run": """
  run wider.toml
  run default --task tox21 --dry-run
""",
    "work": """
  work wider.toml --results /shared/results
  work tox21 --preset paper --results /shared/results --jobs 8 --until 3h50m
""",
    "register": """
  register wider.toml            before its first run
""",
    "ls": """
  ls                             all that is registered
  ls models trimnet              one of them, with its settings
  ls methods --json
""",
    "table": """
  table tox21
  table tox21 --models trimnet --seeds 68-70 --format csv
  table tox21 --per-target --figure targets.png --kind heatmap
  table tox21 --published        what papers report, and the nearest rows here
  table tox21 --study compression --figure frontier.png
  table tox21 --arms trimnet/backprop trimnet/backprop:hidden=64
""",
    "leaderboard": """
  leaderboard -o results/leaderboard.html
""",
    "compare": """
  compare tox21 trimnet/perforated trimnet/continued
  compare tox21 trimnet/perforated trimnet/backprop --seeds 68-70
  compare tox21 random-forest/fit trimnet/backprop --power      how many seeds would tell them apart?
  compare tox21 random-forest/fit trimnet/backprop --metric average_precision      by another metric
  compare tox21                                                all arms at once: places, ranks, simultaneous intervals
  compare tox21 --preset answer --power                        and every comparison by itself: what did not help?
""",
    "dendrites": """
  dendrites tox21 trimnet/perforated
  dendrites tox21 trimnet/perforated --seed 69 --format json
  dendrites tox21 trimnet/perforated --preset answer --all-seeds         what did they learn on the whole?
  dendrites tox21 trimnet/backprop --headroom --figure headroom.png      can a dendrite help here?
""",
    "status": """
  status                         every task in results/, and what is to do of the default preset
  status tox21 --preset paper --jobs 8
  status tox21 --json
""",
    "runs": """
  runs tox21
  runs tox21 --preset default --models trimnet --seeds 68
  runs tox21 --arms trimnet/perforated --csv
""",
    "show": """
  show 017f2c25                  the run whose key begins so
  show 017f2c25 --json
""",
    "rm": """
  rm 017f2c25
  rm 017f2c25 --with-dependents  and the controls and averages that need it
""",
    "export": """
  export tox21 --csv runs.csv --histories epochs.csv
  export tox21 --preset default --csv runs.csv
  export tox21 --mlflow tracked
""",
    "tune": """
  tune tox21 --models gin trimnet --trials 20 --seeds 0-2
  tune tox21 --models gin --set training.epochs=20 --write-plan gin.toml
  tune tox21 --found --write-plan tuned.toml
""",
    "verify": """
  verify
  verify my-results --offline --receipt receipt.json
  verify --rerun 2 --seed 7
""",
    "score": """
  score tox21 predictions.csv --name "chemprop 2.3" --split random --seeds 68
  score tox21 68.csv 69.csv 70.csv --name "chemprop 2.3" --seeds 68-70
  score esol test.parquet --name "a committee" --seeds 68 --smiles structure
""",
    "average": """
  average tox21 trimnet/backprop random-forest/fit
  average tox21 trimnet/perforated lightgbm/fit --seeds 68-117 --name "TrimNet with dendrites and LightGBM"
""",
    "splits": """
  splits tox21 --split random --seeds 68-72 --write splits
  splits bace --split scaffold --write splits
  splits tox21 --seeds 68-117 --chosen-by 0-2
""",
    "pack": """
  pack -o my-results.zip
  pack /shared/results -o study.zip --with-models
""",
    "merge": """
  merge /mnt/laptop/results node-7.zip
  merge results-a results-b --results together
""",
    "submit": """
  submit tox21 --preset paper --slurm --results /shared/results --time 4:00:00 --print
  submit wider.toml --slurm --results /shared/results --time 1h --cpus 4 --partition short --array-limit 500
""",
    "check": """
  check gin
  check split:random
""",
    "data": """
  data ls
  data fetch tox21
  data audit tox21
""",
    "predict": """
  predict results/models/tox21/017f2c25f93d6992 new.csv predictions.csv
  predict results/models/my-1a2b3c4d new.smi --arm gin/backprop
  predict results/models/my-1a2b3c4d new.smi --arm gin/backprop --arm lightgbm/fit
  predict results/models/tox21/017f2c25f93d6992 new.csv vectors.parquet --embeddings
""",
    "train": """
  train my.csv --smiles SMILES --targets active
  train my.csv --smiles SMILES --targets logS --id name --split scaffold --preset smoke
""",
}


def examples_of(command: str) -> str:
    """What ``--help`` of a command, or else of a task, shows in the end."""
    lines = OF_COMMANDS[command] if command in OF_COMMANDS else OF_TASK.format(task=command)
    return "examples:\n" + "\n".join(f"  python -m pbgraph.bench {line.strip()}" for line in lines.strip().splitlines())
