"""Seconds to a certified duality gap, against the peers that are installed.

    pip install ".[bench]"
    python benchmarks/speed.py                                 # a few workloads
    python benchmarks/speed.py --workloads all --threads 1 2 --output benchmarks/results
    python benchmarks/speed.py --table benchmarks/results/speed.json

Every method solves the same centred problem, 1 / (2 n) ||Y - X W||^2 + alpha ||W||_21, at a ladder
of its own tolerances. The gap of each answer is measured by one function (gaps.py), relative to
the objective of W = 0, and a method's time to a gap is its fastest run that reached it (medians
over repeats, methods in alternating order). Ratios compare with the fastest peer in this run.

Real data come from the cache of skmtl.datasets (SKMTL_DATA), or are downloaded.
"""

import argparse
import json
import sys
import warnings
from pathlib import Path

from report import draw, print_result, table
from runs import run_job
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits
from workloads import SMALL, all_jobs

from skmtl.environment import describe_environment

GROUPS = ("small", "shared", "real", "paths", "own", "ridge", "all")
DIGITS = 4
IDENTITY = ("name", "correlation", "alpha_ratio", "threads")


def select_jobs(wanted, correlations):
    """The jobs of names and groups, each once. Raises ValueError for an unknown name."""
    jobs = all_jobs(correlations)
    names = list(dict.fromkeys(job.name for job in jobs))
    for name in wanted:
        if name not in (*GROUPS, *names):
            known = ", ".join((*GROUPS, *names))
            raise ValueError(f"unknown workload {name!r}; known are {known}")
    return [
        job
        for job in jobs
        if {"all", job.group, job.name} & set(wanted) or ("small" in wanted and job.name in SMALL)
    ]


def run(jobs, options, record, save):
    """Run the jobs that the record does not hold yet, and save it after each."""
    done = {identity(result) for result in record["results"]}
    for threads in options.threads:
        with threadpool_limits(threads):
            for job in jobs:
                known = {**vars(job), "threads": threads}
                if identity(rounded(known)) in done:
                    continue
                print(f"{job}, threads {threads}", file=sys.stderr, flush=True)
                try:
                    results = run_job(job, options.repeats, options.patience)
                except OSError as error:  # the data are neither cached nor to be had
                    print(f"skipped {job}: {error}", file=sys.stderr, flush=True)
                    continue
                for result in results if isinstance(results, list) else [results]:
                    result = {**known, "repeats": options.repeats, **result}
                    record["results"].append(rounded(result))
                    print_result(record["results"][-1])
                save(record)


def identity(result):
    return tuple(result[key] for key in IDENTITY)


def rounded(value):
    """The same structure with floats of a few significant digits: small files."""
    if isinstance(value, dict):
        return {key: rounded(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(part) for part in value]
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value


def parse(argv):
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument(
        "--workloads", nargs="*", default=["small"], help=f"names, or groups: {', '.join(GROUPS)}"
    )
    parser.add_argument("--correlations", nargs="*", type=float, default=[0.5, 0.95])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", nargs="*", type=int, default=[1], help="BLAS threads")
    parser.add_argument("--patience", type=float, default=60.0, help="seconds for one solve")
    parser.add_argument("--output", type=Path, help="folder or .json file; figures beside it")
    parser.add_argument("--resume", action="store_true", help="go on with the file of --output")
    parser.add_argument("--table", type=Path, metavar="JSON", help="print the table of a result")
    options = parser.parse_args(argv)
    if options.output and options.output.suffix != ".json":
        options.output = options.output / "speed.json"
    if options.resume and not options.output:
        parser.error("--resume needs --output, the file to go on with")
    try:
        options.jobs = select_jobs(options.workloads, options.correlations)
    except ValueError as error:
        parser.error(str(error))
    return options


def start_record(options):
    """An empty record, or with --resume the one in the file."""
    from methods import PEERS

    environment = describe_environment((*PEERS, "numba"))
    if options.resume and options.output.exists():
        record = json.loads(options.output.read_text(encoding="utf-8"))
        if record["versions"] != environment["versions"]:
            raise SystemExit(f"cannot resume {options.output}: it was made with other versions.")
        return record
    return {**environment, "results": []}


def main(argv=None):
    options = parse(argv)
    if options.table:
        print(table(json.loads(options.table.read_text(encoding="utf-8"))["results"]))
        return 0
    warnings.simplefilter("ignore", ConvergenceWarning)  # the gap is judged here
    record = start_record(options)

    def save(record):
        if options.output:
            options.output.parent.mkdir(parents=True, exist_ok=True)
            options.output.write_text(to_json(record), encoding="utf-8")

    try:
        run(options.jobs, options, record, save)
    except KeyboardInterrupt:
        print("interrupted; --resume goes on from what is saved", file=sys.stderr)
        return 130
    if record["results"]:
        print("\n" + table(record["results"]))
        if options.output:
            for path in draw(record["results"], options.output):
                print(f"drawn: {path}", file=sys.stderr)
    return 0


def to_json(record):
    """One line per result and method."""
    head = {key: value for key, value in record.items() if key != "results"}
    lines = []
    for result in record["results"]:
        rest = {key: value for key, value in result.items() if key != "methods"}
        parts = [f"   {json.dumps(m)}: {json.dumps(r)}" for m, r in result["methods"].items()]
        body = ",\n".join(parts)
        lines.append(f'  {json.dumps(rest)[:-1]}, "methods": {{\n{body}}}}}')
    results = ",\n".join(lines)
    return f'{json.dumps(head, indent=1)[:-2]},\n "results": [\n{results}\n ]\n}}\n'


if __name__ == "__main__":
    raise SystemExit(main())
