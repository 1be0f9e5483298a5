"""What is lost when a run over images is killed, runs out of disk, or loses a worker?

Cutouts of the demo galaxy at redshifts of their own are fitted with the bundle ``jades-pixels``, unweighted
(so that a kill often meets files that are being written), draws kept: by one process that nothing happens to,
and by other routes. Each route must leave the same files, byte for byte (``files_that_differ``), and a row
for each image, once (``rows_lost_or_twice``).

- ``killed``: the process is killed (SIGKILL) at five random moments of the time that the rest would take (two
  with ``--quick``), each time resumed. ``kills`` counts those that came before the end.
- ``full_disk``: a limit on the size of files (RLIMIT_FSIZE) stands for a full disk; then the run is resumed
  without it. ``stopped`` is 1 if the first process ended with an error in one line, as it must.
- ``shards``: three shares, fitted by ``ds.infer_many(shard=)``, and ``ds.merge``.
- ``dask``: two workers in processes of their own (``pip install 'dsps_sbi[dask]'``), one of which is killed
  when it has finished an image.
"""

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from _contract import options, report, terms
from startup import cutouts

import dsps_sbi as ds
from dsps_sbi.survey.cluster import SHARDS
from dsps_sbi.survey.manifest import MANIFEST
from dsps_sbi.survey.run_log import LOG

BUNDLE, KILLS, SEED = "jades-pixels", 5, 0
OPTIONS = {"weigh": False, "keep_draws": True, "pictures": False, "n_draws": 500}
COMMAND = ("--bundle", BUNDLE, "--unweighted", "--keep-draws", "--no-pictures", "--resume")
PARTS = ("killed", "full_disk", "shards", "dask")
# A process of its own, with a limit on the size of files [bytes]
LIMITED = """
import resource, signal, sys
from dsps_sbi.cli.app import main
size = int(sys.argv[1])
if size:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
sys.exit(main(sys.argv[2:]))
"""


def infer(files, out, limit: int = 0) -> subprocess.Popen:
    arguments = [sys.executable, "-c", LIMITED, limit, "infer", *files, *COMMAND, "-o", out]
    told = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(list(map(str, arguments)), **told)


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and SHARDS not in path.parts)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def compared(name: str, whole: Path, out: Path, n: int) -> dict[str, float]:
    one, other = contents(whole), contents(out)
    differing = [file for file in set(one) | set(other) if one.get(file) != other.get(file)]
    rows = [line["name"] for line in json.loads((out / MANIFEST).read_text())["objects"]]
    wrong = abs(len(rows) - len(set(rows))) + n - len(set(rows))
    return {f"{name}.files_that_differ": len(differing), f"{name}.rows_lost_or_twice": wrong}


def killed(files, out: Path, seconds: float, most: int) -> int:
    """Kill a run at random moments; how many of the kills came before the end."""
    rng, kills = random.Random(SEED), 0
    for _ in range(most):
        done = len(list(out.glob("*/maps.fits")))
        child = infer(files, out)
        # it starts, and then has the rest to do
        while child.poll() is None and len(list(out.glob("*/draws.h5"))) <= done < len(files):
            time.sleep(0.002)
        time.sleep(rng.uniform(0.0, seconds * max(len(files) - done - 1, 1) / len(files) / most))
        kills += child.poll() is None
        child.send_signal(signal.SIGKILL)
        child.wait()
    return kills


def full_disk(files, out: Path, size: int) -> bool:
    """Stop a run by a limit on the size of files; whether it stopped as it must."""
    child = infer(files, out, size)
    _, error = child.communicate()
    lines = [line for line in error.splitlines() if line.startswith("error: ")]
    return child.returncode == 1 and len(lines) == 1 and "make room on the disk" in lines[0]


def dask(files, out: Path) -> None:
    """Two workers, of which one is killed when it has finished an image."""
    import distributed

    made = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "dashboard_address": None}
    with distributed.LocalCluster(**made) as local, distributed.Client(local) as client:
        processes = client.run(os.getpid)
        work = threading.Thread(
            target=ds.infer_on_cluster,
            args=(BUNDLE, list(map(str, files)), out),
            kwargs={"cluster": client, "n_shards": 2, **OPTIONS},
        )
        work.start()
        while not (found := list((out / SHARDS).glob(f"*/{LOG}"))) and work.is_alive():
            time.sleep(0.002)
        name = found[0].parent.name.replace("-of-", "/")
        address = next(w for w, keys in client.processing().items() if any(k.startswith(name) for k in keys))
        os.kill(processes[address], signal.SIGKILL)
        work.join()


def main(argv=None):
    parser = options(__doc__.splitlines()[0])
    parser.add_argument("--parts", default=",".join(PARTS), help="which of them, with commas between")
    arguments = parser.parse_args(argv)
    parts = arguments.parts.split(",")
    n, most = (6, 2) if arguments.quick else (24, KILLS)
    with tempfile.TemporaryDirectory(prefix="dsps-sbi-faults-") as temporary:
        place = Path(temporary)
        (place / "images").mkdir()
        files, whole = cutouts(place / "images", n), place / "whole"
        post = ds.load_bundle(BUNDLE)
        ds.infer_many(post, files[:1], place / "warm", **OPTIONS)
        start = time.perf_counter()
        ds.infer_many(post, files, whole, **OPTIONS)
        seconds = time.perf_counter() - start
        size, metrics = max(path.stat().st_size for path in whole.rglob("draws.h5")), {"seconds": seconds}
        if "killed" in parts:
            metrics["killed.kills"] = killed(files, place / "killed", seconds, most)
            ds.infer_many(post, files, place / "killed", resume=True, **OPTIONS)
        if "full_disk" in parts:
            metrics["full_disk.stopped"] = full_disk(files, place / "full_disk", size - 1)
            ds.infer_many(post, files, place / "full_disk", resume=True, **OPTIONS)
        if "shards" in parts:
            for i in (2, 3, 1):
                ds.infer_many(post, files, place / "shares", shard=f"{i}/3", **OPTIONS)
            ds.merge(place / "shares", place / "shards")
        if "dask" in parts:
            dask(files, place / "dask")
        for name in parts:
            metrics |= compared(name, whole, place / name, n)
    own = {"bundle": BUNDLE, "images": n, "pixels_each": 144, "draws": 500, "seed": SEED, "kills": most}
    report(arguments.json, terms(**own, quick=arguments.quick), {k: float(v) for k, v in metrics.items()})


if __name__ == "__main__":
    main()
