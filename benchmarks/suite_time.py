"""How long does the suite take, and how much memory does a worker of it need?

Runs the tests with the options that ``make test`` gives to pytest, twice: with an empty cache (``cold``),
in which nothing is compiled yet, and again (``warm``). ``suite_ratio`` is the cold run over the 45 minutes
that the suite took before 0.2 (commit 5bcafab: 2671 s on two cores). ``worker_peak_gb`` is the largest peak
of the resident memory of a worker.
"""

import os
import resource
import shlex
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from xml.etree import ElementTree

from _contract import options, report, terms

ROOT = Path(__file__).parents[1]
BASE_SECONDS = 2700.0
QUICK = ("tests/kernels",)
_EVERY_S = 0.5
_PROC = Path("/proc")


def pytest_options() -> list[str]:
    """What follows ``-m pytest`` in the Makefile."""
    mark = "-m pytest"
    lines = [line for line in (ROOT / "Makefile").read_text().splitlines() if mark in line]
    if len(lines) != 1:
        raise SystemExit(f"the Makefile has {len(lines)} lines with {mark}: this script expects one")
    return shlex.split(lines[0].split(mark, 1)[1])


def peaks(parent: int) -> list[int]:
    """Peaks of the resident memory [bytes] of the processes that a process has started and that still run."""
    found = []
    for file in _PROC.glob("[0-9]*/status"):
        try:
            rows = dict(line.split(":", 1) for line in file.read_text().splitlines() if ":" in line)
        except OSError:
            # ended in the meantime
            continue
        if int(rows.get("PPid", 0)) == parent and "VmHWM" in rows:
            found.append(1024 * int(rows["VmHWM"].split()[0]))
    return found


class Watch(threading.Thread):
    """Asks for the memory of the workers of a pytest process until told to stop.

    Parameters
    ----------
    pid : int
        Of pytest, whose children are the workers.
    """

    def __init__(self, pid: int):
        super().__init__(daemon=True)
        self.pid, self.peak, self.done = pid, 0, threading.Event()

    def run(self):
        """Until :attr:`done` is set."""
        while not self.done.wait(_EVERY_S):
            self.peak = max([self.peak, *peaks(self.pid)])


def run_suite(cache: Path, paths) -> dict[str, float]:
    """Seconds, tests, failures and peak memory of one run of the suite with a cache folder."""
    environment = {k: v for k, v in os.environ.items() if k != "JAX_COMPILATION_CACHE_DIR"}
    outcome = cache / "outcome.xml"
    command = [sys.executable, "-m", "pytest", *pytest_options(), "-o", f"cache_dir={cache / 'pytest'}"]
    command += [f"--junitxml={outcome}", *paths]
    start = time.perf_counter()
    with subprocess.Popen(command, cwd=ROOT, env=environment) as process:
        watch = Watch(process.pid)
        watch.start()
        status = process.wait()
        seconds = time.perf_counter() - start
        watch.done.set()
        watch.join()
    if status not in (0, 1):
        raise SystemExit(f"pytest ended with status {status}")
    suites = list(ElementTree.parse(outcome).iter("testsuite"))
    counts = {name: sum(int(suite.get(name)) for suite in suites) for name in ("tests", "skipped")}
    failed = sum(int(suite.get(name)) for suite in suites for name in ("failures", "errors"))
    return {"seconds": seconds, **counts, "failed": failed, "peak": watch.peak}


def main():
    parser = options(__doc__.splitlines()[0])
    args = parser.parse_args()
    load_average = round(os.getloadavg()[0], 2)
    with tempfile.TemporaryDirectory(prefix="dsps-sbi-suite-") as temporary:
        runs = [run_suite(Path(temporary), QUICK if args.quick else ()) for _ in range(2)]
    cold, warm = runs
    peak, how = max(run["peak"] for run in runs), "VmHWM of the workers, read twice a second"
    if not peak:
        # of all processes that have ended, in kB, or in bytes on macOS
        unit = 1 if sys.platform == "darwin" else 1024
        peak = unit * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        how = "largest process among pytest, workers and what these started: the system does not tell VmHWM"
    metrics = {
        "suite_seconds_cold": cold["seconds"],
        "suite_seconds_warm": warm["seconds"],
        "tests": cold["tests"],
        "skipped": cold["skipped"],
        "failed": max(run["failed"] for run in runs),
        "worker_peak_gb": peak / 1e9,
    }
    if not args.quick:
        # a part of the suite says nothing about the whole
        metrics["suite_ratio"] = cold["seconds"] / BASE_SECONDS
    report(
        args.json,
        terms(
            tests=list(QUICK) if args.quick else "all",
            command="pytest " + shlex.join(pytest_options()),
            cold="empty cache folder",
            warm="the same again",
            peak=how,
            base=f"{BASE_SECONDS:g} s before 0.2 (commit 5bcafab: 2671 s on two cores)",
            test_data="DSPS_SBI_TEST_DATA" in os.environ,
            load_average_at_start=load_average,
        ),
        {name: float(value) for name, value in metrics.items()},
    )
    return 1 if metrics["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
