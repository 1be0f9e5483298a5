"""What every benchmark shares: its options, the terms of a result, and the JSON file."""

import argparse
import json
import os
import subprocess
from importlib.metadata import version
from pathlib import Path

import jax

RESULTS = Path(__file__).parent / "results"


def options(description: str) -> argparse.ArgumentParser:
    """Parser with the two options of every benchmark."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument(
        "--quick", action="store_true", help="smaller N, same code, at most a minute on two cores"
    )
    parser.add_argument("--json", type=Path, help="where to write the result")
    return parser


def data_folder(parser: argparse.ArgumentParser, given: Path | None, *parts: str) -> Path:
    """The folder that was given, or its place under the one that DSPS_SBI_TEST_DATA names."""
    root = os.environ.get("DSPS_SBI_TEST_DATA")
    if given is None and root is None:
        parser.error(f"needs the data of {'/'.join(parts)}: name its folder or set DSPS_SBI_TEST_DATA")
    return given or Path(root, *parts)


def terms(**own) -> dict:
    """Terms of a measurement: machine, versions, commit, and the benchmark's own."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        capture_output=True,
        text=True,
        cwd=RESULTS.parent,
        check=False,
    ).stdout.strip()
    packages = ("dsps_sbi", "jax", "flax", "distrax", "numpy")
    return {
        "device": jax.devices()[0].platform,
        "cores": len(os.sched_getaffinity(0)),
        "versions": {name: version(name) for name in packages},
        "commit": commit or "unknown",
        **own,
    }


def report(path: Path | None, terms: dict, metrics: dict[str, float]) -> None:
    """Print the metrics and write them with their terms."""
    for name, value in metrics.items():
        print(f"{name:44s} {value:.6g}")
    if path is not None:
        rounded = {name: float(f"{value:.6g}") for name, value in metrics.items()}
        path.write_text(json.dumps({"terms": terms, "metrics": rounded}, indent=1) + "\n")
