"""README and docs: numbers are the committed ones, and names, links, options and examples are real."""

import importlib.util
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import typer

import dsps_sbi as ds
from dsps_sbi.cli.app import app

ROOT = Path(__file__).parents[1]
README, DOCS = ROOT / "README.md", ROOT / "docs"
PAGES = [README, *sorted(DOCS.glob("*.md"))]
TEXTS = {page: page.read_text() for page in PAGES}
FENCE = re.compile(r"^```\w*\n(.*?)^```", re.DOTALL | re.MULTILINE)
COMMANDS = typer.main.get_command(app).commands


def params_of(command):
    """Of a command, or of all commands of a group such as ``noise``."""
    return [p for one in getattr(command, "commands", {"": command}).values() for p in one.params]


@pytest.fixture(scope="module")
def make_tables():
    folder = str(ROOT / "benchmarks")
    sys.path.insert(0, folder)
    try:
        spec = importlib.util.spec_from_file_location("make_tables", ROOT / "benchmarks" / "make_tables.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        yield module
    finally:
        sys.path.remove(folder)


def test_tables_are_up_to_date(make_tables):
    assert make_tables.main(["--check"]) == 0


def test_every_table_is_used_once(make_tables):
    names = [name for text in TEXTS.values() for name in make_tables.names_in(text)]
    assert sorted(names) == sorted(make_tables.TABLES)


def test_check_finds_a_number_that_was_changed(make_tables, tmp_path, monkeypatch, capsys):
    page = tmp_path / "README.md"
    page.write_text(README.read_text().replace("R2 = 0.", "R2 = 0.9", 1))
    before = page.read_text()
    monkeypatch.setattr(make_tables, "ROOT", tmp_path)
    assert make_tables.main(["--check"]) == 1 and page.read_text() == before
    assert "README.md: out of date" in capsys.readouterr().out
    assert make_tables.main([]) == 0 and page.read_text() == README.read_text()


def test_blocks_that_cannot_be_made_are_refused(make_tables):
    with pytest.raises(SystemExit, match="no table is called nonsense"):
        make_tables.names_in("<!-- table nonsense -->\n<!-- end -->\n")
    with pytest.raises(SystemExit, match="not closed"):
        make_tables.names_in("<!-- table quantities -->\nand no end\n")


def test_what_no_result_holds_is_a_dash(make_tables, monkeypatch, tmp_path):
    module = sys.modules["_result_tables"]
    monkeypatch.setattr(module, "RESULTS", tmp_path)
    for name in module.TABLES:
        table = module.TABLES[name]()
        assert "nan" not in table and "None" not in table and "-" in table


def test_the_readme_is_short():
    assert len(README.read_text().splitlines()) <= 150


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_names_of_the_package_exist(page):
    # ds.ssp.load: every part
    for dotted in set(re.findall(r"\bds((?:\.[A-Za-z_]\w*)+)", TEXTS[page])):
        found = ds
        for name in dotted[1:].split("."):
            assert hasattr(found, name), f"{page.name}: ds{dotted}"
            found = getattr(found, name)
    for file in set(re.findall(r"`((?:dsps_sbi|benchmarks)/[\w/.-]+)`", TEXTS[page])):
        assert (ROOT / file).exists(), f"{page.name}: {file}"


def slug(heading):
    """Anchor that a page's heading gets."""
    kept = re.sub(r"[^\w\s-]", "", heading.strip().lower().replace("`", ""))
    return re.sub(r"\s", "-", kept)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_pictures_exist(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", FENCE.sub("", TEXTS[page])):
        if target.startswith("http"):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), f"{page.name}: {target}"
        if anchor:
            headings = re.findall(r"^#+ (.*)$", FENCE.sub("", file.read_text()), re.MULTILINE)
            assert anchor in map(slug, headings), f"{page.name}: {target}"


def command_lines(text):
    """Verb and options of each command line of a page, in code blocks and in the text."""
    code = "\n".join([*FENCE.findall(text), *re.findall(r"`([^`\n]+)`", FENCE.sub("", text))])
    for line in code.splitlines():
        line = line.split(" #")[0]
        match = re.search(r"\bdsps-sbi ([\w-]+)(.*)", line)
        if match:
            yield match[1], re.findall(r"(?<!\S)(--?[a-z][\w-]*)", match[2])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_and_options_exist(page):
    for verb, options in command_lines(TEXTS[page]):
        assert verb in COMMANDS, f"{page.name}: dsps-sbi {verb}"
        known = {name for one in params_of(COMMANDS[verb]) for name in (*one.opts, *one.secondary_opts)}
        assert set(options) <= known, f"{page.name}: dsps-sbi {verb} {' '.join(options)}"


def test_command_lines_are_found():
    lines = list(command_lines(README.read_text()))
    assert ("infer", ["--bundle", "-o", "--resume"]) in lines and len(lines) >= 9


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_options_by_themselves_exist(page):
    """In the text an option may stand without its verb."""
    params = [p for one in COMMANDS.values() for p in params_of(one)]
    known = {name for p in params for name in (*p.opts, *p.secondary_opts)}
    # of benchmarks
    known |= {"--quick", "--json", "--no-chains", "--check"}
    text = FENCE.sub("", TEXTS[page])
    alone = {code.split()[0] for code in re.findall(r"`(--[^`\n]+)`", text)}
    assert alone <= known, f"{page.name}: {alone - known}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_is_python(page):
    for code in re.findall(r"```python\n(.*?)```", TEXTS[page], re.DOTALL):
        compile(code, page.name, "exec")


def test_the_example_of_catalogues_runs(tiny_posterior, mock_pixels, tmp_path, monkeypatch):
    blocks = re.findall(r"```python\n(.*?)```", (DOCS / "guide.md").read_text(), re.DOTALL)
    example = next(code for code in blocks if "ds.Catalogue" in code)
    flux, sigma = (array[:4] for array in mock_pixels)
    scope = {"ds": ds, "post": tiny_posterior, "flux_ujy": flux, "sigma_ujy": sigma}
    scope |= {"filters": tiny_posterior.filters, "redshift": np.full(4, 2.0)}
    monkeypatch.chdir(tmp_path)
    exec(example, scope)
    result = scope["result"]
    assert (tmp_path / "photometry.ecsv").is_file() and len(result.table()) == 4
    assert result.trust.tolist() == ["unchecked"] * 4
    assert result.percentiles("av", (2.5, 50, 97.5)).shape == (3, 4)
