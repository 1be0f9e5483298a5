"""What may import what, and other rules about the source that a reader relies on."""

import ast
from pathlib import Path

import pytest

import dsps_sbi

PACKAGE = Path(dsps_sbi.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
ALL = FILES + sorted(Path(__file__).parent.rglob("*.py"))

# From the bottom up; what is not named here (training, inference, maps, command line) is a verb.
LAYERS = (
    ("errors", "constants", "_typing", "kernels", "plain"),
    ("cosmology", "prior", "sfh", "dust", "instruments", "noise", "ssp", "io", "encoders", "flows"),
    ("band_table", "table_grid", "model", "model_checks", "flow_network", "network", "spectra"),
    ("simulate",),
)
RANK = {name: rank for rank, layer in enumerate(LAYERS) for name in layer}
TOP = len(LAYERS)


def module_of(path):
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return parts[:-1] if parts[-1] == "__init__" else parts


def imports(path):
    """Full dotted names that a file imports, at any depth in its code."""
    package = path.relative_to(PACKAGE.parent).parts[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            source = ".".join((*base, *(node.module or "").split("."))).strip(".")
            yield from (f"{source}.{alias.name}" for alias in node.names)


def part_of(dotted):
    """First component below dsps_sbi, or None for another package."""
    parts = dotted.split(".")
    return parts[1] if parts[0] == "dsps_sbi" and len(parts) > 1 else None


def ids(path):
    return str(path.relative_to(PACKAGE.parent))


def test_the_parser_sees_relative_and_nested_imports():
    found = set(imports(PACKAGE / "model.py"))
    assert {"dsps_sbi.kernels.photometry", "dsps_sbi.prior.Prior", "jax.numpy"} <= found
    assert "sedpy.observate.Filter" in set(imports(PACKAGE / "instruments" / "filters.py"))
    assert "dsps_sbi.constants.C_AA_S" in set(imports(PACKAGE / "kernels" / "photometry.py"))
    assert all((PACKAGE / name).exists() or (PACKAGE / f"{name}.py").exists() for name in RANK)


@pytest.mark.parametrize("path", FILES, ids=ids)
def test_nothing_imports_upwards(path):
    module = module_of(path)
    rank = RANK.get(module[1], TOP) if len(module) > 1 else TOP
    for name in imports(path):
        part = part_of(name)
        if part is not None:
            assert RANK.get(part, TOP) <= rank, f"{'.'.join(module)} imports {name}"


@pytest.mark.parametrize("path", sorted((PACKAGE / "kernels").glob("*.py")), ids=ids)
def test_kernels_know_arrays_and_constants_only(path):
    for name in imports(path):
        root = name.split(".")[0]
        assert root in ("jax", "numpy", "math") or part_of(name) in ("kernels", "constants"), name


@pytest.mark.parametrize("path", FILES, ids=ids)
def test_distrax_stays_in_the_flows(path):
    roots = {name.split(".")[0] for name in imports(path)}
    if "flows" not in module_of(path):
        assert not roots & {"distrax", "tensorflow_probability"}


@pytest.mark.parametrize("path", FILES, ids=ids)
def test_nothing_that_runs_what_it_reads(path):
    roots = {name.split(".")[0] for name in imports(path)}
    assert not roots & {"pickle", "cPickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            name = node.func.id if isinstance(node.func, ast.Name) else None
            assert name not in ("eval", "exec", "compile", "__import__"), f"line {node.lineno}"
            for keyword in node.keywords:
                if keyword.arg == "allow_pickle":
                    assert getattr(keyword.value, "value", None) is False, f"line {node.lineno}"


@pytest.mark.parametrize("path", ALL, ids=lambda p: p.name)
def test_files_are_short_enough_to_read(path):
    assert len(path.read_text().splitlines()) <= 400
