"""Shares of a run on a cluster of dask.distributed: a worker that dies, workers without the package."""

import os
import signal
import threading
import time
from types import SimpleNamespace

import pytest
from astropy.table import Table

import dsps_sbi as ds
from dsps_sbi.errors import UserError
from dsps_sbi.survey import cluster as cluster_module
from dsps_sbi.survey.cluster import SHARDS, check_workers
from dsps_sbi.survey.run_log import LOG

OPTIONS = {"n_draws": 20, "seed": 4, "pictures": False}


@pytest.mark.filterwarnings("default")
def test_a_worker_that_is_killed_costs_nothing(tiny_bundle, loaded, make_cutout, tmp_path, contents):
    distributed = pytest.importorskip("distributed")
    make_cutout("one.fits")
    # one of them cannot be used
    columns = {"id": range(12), "z": [9.0] + [1.0 + 0.1 * i for i in range(11)], "files": ["one.fits"] * 12}
    Table(columns).write(tmp_path / "targets.csv", format="ascii.csv")
    targets, whole, out = ds.read_target_list(tmp_path / "targets.csv"), tmp_path / "whole", tmp_path / "out"
    made = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "dashboard_address": None}

    def slow_files():
        """Time for the kill, whatever else the machine does."""
        import os
        import time

        real = os.replace

        def replace(*paths):
            time.sleep(0.05)
            real(*paths)

        os.replace = replace

    with distributed.LocalCluster(**made) as local, distributed.Client(local) as client:
        processes = client.run(os.getpid)
        client.run(slow_files)
        assert len(set(processes.values())) == 2
        done = []
        options = {"cluster": client, "n_shards": 2} | OPTIONS

        def work():
            done.append(ds.infer_on_cluster(tiny_bundle, targets, out, **options))

        thread = threading.Thread(target=work)
        thread.start()
        ds.infer_many(loaded, targets, whole, **OPTIONS)
        # the worker that has finished an object, and not yet all
        while not (found := list((out / SHARDS).glob(f"*/{LOG}"))) and thread.is_alive():
            time.sleep(0.002)
        name = found[0].parent.name.replace("-of-", "/")
        address = next(w for w, keys in client.processing().items() if any(k.startswith(name) for k in keys))
        os.kill(processes[address], signal.SIGKILL)
        thread.join()
        assert set(client.run(os.getpid).values()) != set(processes.values())
        (table,) = done
        assert table["problem"].tolist()[1:] == [""] * 11 and "redshift 9 is outside" in table["problem"][0]
        same = {name: data for name, data in contents(out).items() if not name.startswith(SHARDS)}
        assert same == contents(whole)
        # a share that fails is told, and the others stay
        with pytest.raises(
            UserError, match="shard ./2 failed on the cluster .*holds a run with seed 4, this one"
        ):
            ds.infer_on_cluster(tiny_bundle, targets, out, **options | {"seed": 5, "retries": 0})


def workers(**versions):
    return SimpleNamespace(
        run=lambda function, name, on_error: versions,
        wait_for_workers=lambda n, timeout: None,
        scheduler=SimpleNamespace(address="tcp://here:1"),
    )


def test_workers_are_asked_for_the_package():
    own = ds.__version__
    assert check_workers(workers(a=own, b=own)) == 2
    with pytest.raises(
        UserError, match=r"worker b lacks the package dsps_sbi \(ModuleNotFoundError\): .*install"
    ):
        check_workers(workers(a=own, b=ModuleNotFoundError("dsps_sbi")))
    with pytest.raises(
        UserError, match=f"worker a has version 0.1 of dsps_sbi, here is {own}: expected the same"
    ):
        check_workers(workers(a="0.1"))
    with pytest.raises(UserError, match="the cluster tcp://here:1 has no workers after 120 s"):
        check_workers(workers())


def test_clusters_that_are_not_there(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setitem(__import__("sys").modules, "distributed", None)
        with pytest.raises(UserError, match=r"is not installed: run pip install 'dsps_sbi\[dask\]'"):
            ds.infer_on_cluster("tiny", "a.fits", tmp_path)
    pytest.importorskip("distributed")
    monkeypatch.setattr(cluster_module, "_PATIENCE", 0.2)
    with pytest.raises(
        UserError, match="no scheduler at tcp://127.0.0.1:9 .*: expected the address of a dask"
    ):
        ds.infer_on_cluster("tiny", "a.fits", tmp_path, cluster="tcp://127.0.0.1:9")
    with pytest.raises(UserError, match="cluster local:x: expected local:n with n processes"):
        ds.infer_on_cluster("tiny", "a.fits", tmp_path, cluster="local:x")


def test_the_command_line_asks_a_cluster(infer, several, tmp_path, monkeypatch, contents):
    """Shares one after the other in this process, as workers would fit them."""
    from dsps_sbi.survey.merge import merge

    def here(task, folder, cluster, progress):
        assert cluster == "tcp://there:8786" and not progress
        for i in (2, 1):
            task(f"{i}/2")
        return merge(folder / SHARDS, folder)

    monkeypatch.setattr(cluster_module, "on_cluster", here)
    monkeypatch.chdir(tmp_path)
    names = [path.name for path in several]
    status, output, error = infer(*names, "--no-pictures", "--dask", "tcp://there:8786")
    assert status == 1 and "5 images; in" in output and "1 of 5 cutouts failed: mend them" in error
    assert infer(*several, "--no-pictures", out=tmp_path / "whole")[0] == 1
    same = {name: data for name, data in contents(tmp_path / "out").items() if not name.startswith(SHARDS)}
    assert same == contents(tmp_path / "whole")
    assert "--shard and --dask were given" in infer(*several, "--dask", "local", "--shard", "1/2")[2]
