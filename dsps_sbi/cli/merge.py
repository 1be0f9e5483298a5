"""The command ``merge``: shares of a run as one run."""

from pathlib import Path
from typing import Annotated

import typer

from ..errors import UserError


def merge(
    folders: Annotated[
        list[Path], typer.Argument(help="Folders of the shards, or the one that infer --shard wrote them to.")
    ],
    *,
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder of the whole run.")],
) -> None:
    """Join what infer --shard i/n made of all shares: the same bytes as of a run that was not shared out."""
    from ..survey.merge import merge as merge_folders

    table = merge_folders(folders, output)
    failed = int(sum(table["problem"] != "")) if len(table) else 0
    print(f"{len(table)} objects; in {output}")
    if failed:
        raise UserError(
            f"{failed} of {len(table)} objects have no answer, see the column problem: mend them, run their "
            "shards again with --resume, and merge again"
        )
