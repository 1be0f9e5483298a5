"""Are the tables of the documentation those of the results? Makes them again, or checks them.

A table stands in ``README.md`` or ``docs/*.md`` between the lines ``<!-- table NAME -->`` and
``<!-- end -->``. What stands between these lines is rewritten from ``benchmarks/results/*.json``
(``_result_tables.py``, ``_exam_tables.py``) and from the package's own tables and options
(``_code_tables.py``).

    python benchmarks/make_tables.py            # rewrite what is out of date
    python benchmarks/make_tables.py --check    # exit status 1 if something is out of date; writes nothing
"""

import argparse
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import _code_tables
import _exam_tables
import _result_tables

ROOT = Path(__file__).resolve().parents[1]
TABLES: Mapping[str, Callable[[], str]] = _result_tables.TABLES | _exam_tables.TABLES | _code_tables.TABLES
_BLOCK = re.compile(r"(<!-- table (\S+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)
_OPENING = re.compile(r"<!-- table\b")


def pages() -> list[Path]:
    """Files that may hold tables."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def names_in(text: str) -> list[str]:
    """Names of the tables of a page.

    Raises
    ------
    SystemExit
        If a block is not closed, or its name is unknown.
    """
    names = [match[2] for match in _BLOCK.finditer(text)]
    if len(names) != len(_OPENING.findall(text)):
        raise SystemExit("a table is not closed: end it with <!-- end --> on a line of its own")
    unknown = [name for name in names if name not in TABLES]
    if unknown:
        raise SystemExit(f"no table is called {', '.join(unknown)}: choose from {', '.join(TABLES)}")
    return names


def renewed(text: str) -> str:
    """The text of a page with all tables made again."""
    names_in(text)
    return _BLOCK.sub(lambda match: f"{match[1]}{TABLES[match[2]]().rstrip()}\n{match[4]}", text)


def outdated() -> dict[Path, str]:
    """Pages that would change, with their new text."""
    texts = {page: page.read_text(encoding="utf-8") for page in pages()}
    new = {page: renewed(text) for page, text in texts.items()}
    return {page: new[page] for page in texts if new[page] != texts[page]}


def main(argv=None) -> int:
    """Rewrite the pages, or check them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--check", action="store_true", help="write nothing; status 1 if a page is out of date"
    )
    check = parser.parse_args(argv).check
    changed = outdated()
    for page, text in changed.items():
        if not check:
            page.write_text(text, encoding="utf-8")
        print(f"{page.relative_to(ROOT)}: {'out of date' if check else 'rewritten'}")
    if check and changed:
        print("run: python benchmarks/make_tables.py", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
