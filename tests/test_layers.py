"""What may import what, and other rules about the source that a reader relies on."""

import ast
from pathlib import Path

import dsps_sbi

PACKAGE = Path(dsps_sbi.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
ALL = FILES + sorted(Path(__file__).parent.rglob("*.py"))

# Every unit of the package, from the bottom up: a unit imports from its own layer's units below it in the
# list, and from lower layers.
LAYERS = (
    ("errors", "constants", "arrays", "components"),
    ("kernels", "cosmology", "priors", "instruments"),
    ("sfh", "dust", "noise", "io", "ssp"),
    ("networks", "bundle", "inference"),
    ("training", "plots", "calibration"),
    ("photometry", "spectroscopy"),
    ("survey",),
    ("demo", "cite"),
    ("cli",),
)
RANK = {name: (layer, place) for layer, names in enumerate(LAYERS) for place, name in enumerate(names)}
# Equals: neither knows of the other
APART = ({"photometry", "spectroscopy"}, {"sfh", "dust"}, {"training", "plots"})
MOST_UNITS = 25


def module_of(path):
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return parts[:-1] if parts[-1] == "__init__" else parts


def imports(path):
    """Full dotted names that a file imports, at any depth in its code."""
    package = path.relative_to(PACKAGE.parent).parts[:-1]
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        # what only type checkers see is no import
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            node.body = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            source = ".".join((*base, *(node.module or "").split("."))).strip(".")
            yield from (f"{source}.{alias.name}" for alias in node.names)


def unit_of(dotted):
    """First component below dsps_sbi, or None for another package."""
    parts = dotted.split(".")
    return parts[1] if parts[0] == "dsps_sbi" and len(parts) > 1 else None


def module_path(dotted):
    """File of the module that a dotted name is, or is in; None for another package."""
    parts = dotted.split(".")
    for n in range(len(parts), 1, -1):
        folder = PACKAGE.joinpath(*parts[1:n])
        for path in (folder.with_suffix(".py"), folder / "__init__.py"):
            if parts[0] == "dsps_sbi" and path in _FILES:
                return path
    return None


_FILES = set(FILES)


def test_the_parser_sees_relative_and_nested_imports():
    found = set(imports(PACKAGE / "photometry" / "model.py"))
    assert {"dsps_sbi.kernels.photometry", "dsps_sbi.priors.Prior", "jax.numpy"} <= found
    assert "sedpy.observate.Filter" in set(imports(PACKAGE / "instruments" / "filters.py"))
    assert "dsps_sbi.constants.C_AA_S" in set(imports(PACKAGE / "kernels" / "photometry.py"))
    assert module_path("dsps_sbi.priors.Prior") == PACKAGE / "priors" / "__init__.py"
    assert module_path("dsps_sbi.kernels.photometry") == PACKAGE / "kernels" / "photometry.py"


def test_every_unit_has_a_rank():
    units = {module_of(path)[1] for path in FILES if len(module_of(path)) > 1}
    assert units == set(RANK)
    assert len(units) <= MOST_UNITS


def test_nothing_imports_upwards():
    wrong = []
    for path in FILES:
        module = module_of(path)
        if len(module) < 2:
            continue
        for name in imports(path):
            unit = unit_of(name)
            if unit is None or unit == module[1]:
                continue
            apart = any({unit, module[1]} <= pair for pair in APART)
            if unit not in RANK or RANK[unit] >= RANK[module[1]] or apart:
                wrong.append(f"{'.'.join(module)} imports {name}")
    assert not wrong


def test_no_module_imports_itself_by_way_of_others():
    edges = {path: {module_path(name) for name in imports(path)} - {None, path} for path in FILES}
    # the package's own front door gathers everything
    edges = {path: {p for p in to if p != PACKAGE / "__init__.py"} for path, to in edges.items()}
    done, circles = set(), []

    def visit(path, trail):
        if path in trail:
            circles.append(
                " -> ".join(str(p.relative_to(PACKAGE)) for p in [*trail[trail.index(path) :], path])
            )
        elif path not in done:
            for to in sorted(edges[path]):
                visit(to, [*trail, path])
            done.add(path)

    for path in FILES:
        visit(path, [])
    assert not circles


def test_each_library_stays_in_its_room():
    wrong = []
    for path in FILES:
        module = module_of(path)
        roots = {name.split(".")[0] for name in imports(path)}
        if module[1:2] == ("kernels",):
            units = {unit_of(name) for name in imports(path)} - {None}
            if not (roots <= {"jax", "numpy", "math", "dsps_sbi"} and units <= {"kernels", "constants"}):
                wrong.append(f"{'.'.join(module)}: kernels know arrays and constants only")
        if "networks" not in module and roots & {"distrax", "tensorflow_probability"}:
            wrong.append(f"{'.'.join(module)}: distrax stays in the networks")
        if roots & {"pickle", "cPickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}:
            wrong.append(f"{'.'.join(module)}: runs what it reads")
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            name = node.func.id if isinstance(node.func, ast.Name) else None
            if name in ("eval", "exec", "compile", "__import__"):
                wrong.append(f"{'.'.join(module)}, line {node.lineno}: {name}")
            for keyword in node.keywords:
                if keyword.arg == "allow_pickle" and getattr(keyword.value, "value", None) is not False:
                    wrong.append(f"{'.'.join(module)}, line {node.lineno}: allow_pickle")
    assert not wrong


def test_programs_are_compiled_by_content():
    """No jit that belongs to an object or a call: it would compile anew for each."""
    wrong = []
    for path in FILES:
        tree = ast.parse(path.read_text())
        inside = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.ClassDef | ast.Lambda)]
        for outer in inside:
            for node in ast.walk(outer):
                if node is outer or not isinstance(node, ast.Attribute):
                    continue
                if node.attr == "jit" and isinstance(node.value, ast.Name) and node.value.id == "jax":
                    decorators = getattr(outer, "decorator_list", [])
                    own = {id(n) for d in decorators for n in ast.walk(d)}
                    if id(node) not in own:
                        wrong.append(f"{path.relative_to(PACKAGE)}, line {node.lineno}")
    # the sampler's own, traced once inside of a program that is compiled by content; programs from disk
    assert {place.split(",")[0] for place in wrong} <= {"inference/hmc.py", "inference/exported.py"}


def test_files_are_short_enough_to_read():
    assert not [path.name for path in ALL if len(path.read_text().splitlines()) > 400]
