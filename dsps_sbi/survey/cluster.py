"""Shares of a run on a cluster of dask.distributed: the same shares, folders and bytes as of other routes.

A worker needs the package, the bundle, and the files under the same paths as here: a disk that all share. A
share that a worker leaves unfinished, because it dies or its machine goes, is given to another one, which
goes on where the first one stopped.
"""

import contextlib
import functools
import secrets
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

from astropy.table import Table
from tqdm.auto import tqdm

from ..bundle.load import load_bundle
from ..errors import UserError
from .many import infer_many
from .merge import merge
from .shards import Shard, shard_folders

# Folder of the shares, in that of the whole run
SHARDS = ".shards"
# Shares for each worker: the last one to finish is not waited for long
_EACH = 4
_LOCAL = "local"
# How long workers may take to be there [s]
_PATIENCE = 120


def infer_on_cluster(
    bundle, inputs, folder, *, cluster=_LOCAL, n_shards: int | None = None, retries: int = 3, **options
) -> Table:
    """As :func:`dsps_sbi.infer_many` of images, by the workers of a cluster.

    Parameters
    ----------
    bundle : str or path
        Name or folder of a bundle that the workers can load.
    inputs : path, Target, or sequence of these
        Of images; paths that the workers can read.
    folder : path
        Gets what :func:`dsps_sbi.infer_many` writes, and the shares in ``.shards``, which may be removed.
    cluster : str or distributed.Client
        Address of the scheduler, ``local:n`` for n processes of this machine, or a client.
    n_shards : int, optional
        Default: four for each worker; those of an earlier run, where there are some.
    retries : int
        How often a share is tried again that fails.
    **options
        Of :func:`dsps_sbi.infer_many`; a run that is there is always resumed.

    Returns
    -------
    Table
        The catalogue.

    Raises
    ------
    UserError
        If dask.distributed is not installed, the cluster is not there or its workers lack the package, or a
        share fails.
    """
    place = Path(folder).absolute() / SHARDS
    options = {name: value for name, value in options.items() if name not in ("resume", "progress")}
    task = functools.partial(_infer_shard, str(bundle), inputs, str(place), options)
    return on_cluster(task, folder, cluster=cluster, n_shards=n_shards, retries=retries)


def on_cluster(
    task: Callable[[str], None], folder, *, cluster=_LOCAL, n_shards=None, retries=3, progress=False
) -> Table:
    """Shares of any run on a cluster, and the whole run merged of them.

    Parameters
    ----------
    task : callable
        Fits the share "i/n" in ``folder/.shards``; a function of this package, or a ``partial`` of one.
    folder, cluster, n_shards, retries
        As for :func:`infer_on_cluster`.
    progress : bool
        Show a bar.

    Returns
    -------
    Table

    Raises
    ------
    UserError
    """
    distributed = _distributed()
    place = Path(folder).absolute() / SHARDS
    with _client(distributed, cluster) as client:
        n_workers = check_workers(client)
        there = {n for _, n in shard_folders(place)}
        n = n_shards or (there.pop() if len(there) == 1 else _EACH * n_workers)
        shards = [str(Shard(i, n)) for i in range(1, n + 1)]
        run = secrets.token_hex(4)
        given = {"retries": retries, "pure": False}
        futures = {client.submit(task, one, key=f"shard-{one}-{run}", **given): one for one in shards}
        problems = []
        try:
            done = distributed.as_completed(futures)
            for future in tqdm(done, total=n, unit="shard", disable=not progress):
                if future.status != "finished":
                    problems.append((futures[future], _reason(future)))
        finally:
            client.cancel(list(futures))
    if problems:
        shard, reason = problems[0]
        raise UserError(
            f"shard {shard} failed on the cluster ({reason}), {len(problems)} of {n} in all: mend that and "
            "run again, finished ones are kept"
        )
    return merge(place, folder)


def _infer_shard(bundle, inputs, place, options, shard) -> None:
    infer_many(loaded(bundle), inputs, place, shard=shard, resume=True, **options)


@functools.cache
def loaded(bundle: str):
    """A bundle, loaded once in each worker."""
    return load_bundle(bundle)


def check_workers(client) -> int:
    """Number of the workers of a cluster.

    Raises
    ------
    UserError
        If there are none, or the package is missing or of another version on one of them.
    """
    with contextlib.suppress(Exception):
        client.wait_for_workers(1, timeout=_PATIENCE)
    # a function of Python's own: workers without the package know it
    found = client.run(version, "dsps_sbi", on_error="return")
    if not found:
        raise UserError(
            f"the cluster {client.scheduler.address} has no workers after {_PATIENCE} s: expected at least "
            "one; start some"
        )
    own = version("dsps_sbi")
    for worker, seen in found.items():
        if isinstance(seen, Exception):
            raise UserError(
                f"worker {worker} lacks the package dsps_sbi ({type(seen).__name__}): expected version "
                f"{own}; install it in the environment of the workers"
            )
        if seen != own:
            raise UserError(
                f"worker {worker} has version {seen} of dsps_sbi, here is {own}: expected the same; install "
                "one version everywhere"
            )
    return len(found)


@contextlib.contextmanager
def _client(distributed, cluster) -> Iterator:
    if isinstance(cluster, distributed.Client):
        yield cluster
        return
    kind, _, number = str(cluster).partition(":")
    with contextlib.ExitStack() as stack:
        if kind == _LOCAL:
            if number and not (number.isdecimal() and int(number)):
                raise UserError(
                    f"cluster {cluster}: expected local:n with n processes, such as local:4; mend it"
                )
            # each process has threads of its own
            made = {"n_workers": int(number or 2), "threads_per_worker": 1, "processes": True}
            cluster = stack.enter_context(distributed.LocalCluster(**made, dashboard_address=None))
        try:
            client = stack.enter_context(distributed.Client(cluster, timeout=_PATIENCE))
        except (OSError, ValueError) as error:
            raise UserError(
                f"no scheduler at {cluster} ({' '.join(str(error).split())[:100]}): expected the address of "
                "a dask cluster, such as tcp://host:8786, or local:4; mend it"
            ) from error
        yield client


def _distributed():
    try:
        import distributed
    except ImportError as error:
        raise UserError(
            "a cluster was asked for, and dask.distributed is not installed: run pip install 'dsps_sbi[dask]'"
        ) from error
    return distributed


def _reason(future) -> str:
    if future.status == "cancelled":
        return "cancelled"
    error = future.exception()
    text = " ".join(str(error).split())[:200]
    return text if isinstance(error, UserError) else f"{type(error).__name__}: {text}"
