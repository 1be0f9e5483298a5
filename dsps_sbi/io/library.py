"""Libraries of mock objects in HDF5 files, for those who train elsewhere."""

from importlib.metadata import version

import h5py
import jax
import numpy as np
from tqdm.auto import tqdm

from ..errors import UserError
from .atomic import atomic_path

# Redshifts per chunk and galaxies at each: one set of band tables serves a chunk
_N_Z, _N_PER_Z = 64, 64


def write_library(
    path, simulator, n: int, *, seed: int = 0, preset: str = "", progress: bool = False
) -> None:
    """Draw mocks from the prior, with noise and masks, and write them; the file appears whole or not at all.

    Layout: ``theta`` (Object, Param), ``flux_ujy`` and ``sigma_ujy`` (Object, Band), ``valid``
    (Object, Band) False where a band is missing, ``upper`` (Object, Band) True where the flux is an
    upper limit of flux / sigma, ``z`` (Object,); attributes ``parameters``,
    ``filters`` and the provenance. Fluxes of missing bands are there all the same.

    Parameters
    ----------
    path : path
        In a folder that exists.
    simulator : PhotometrySimulator
    n : int
        Number of mocks. A smaller library is the beginning of a larger one of the same seed.
    seed : int
    preset : str
        For the record.
    progress : bool
        Show a bar.

    Raises
    ------
    UserError
        If n is not positive or the file cannot be written.
    """
    if n < 1:
        raise UserError(f"{n} mocks: ask for at least 1")
    model = simulator.model
    n_band = len(model.filters.names)
    sizes = {
        "theta": len(model.names),
        "flux_ujy": n_band,
        "sigma_ujy": n_band,
        "valid": n_band,
        "upper": n_band,
    }
    with atomic_path(path) as temporary, h5py.File(temporary, "w") as file:
        for name, size in sizes.items():
            file.create_dataset(name, (n, size), bool if name in ("valid", "upper") else np.float32)
        file.create_dataset("z", (n,), np.float32)
        file.attrs.update(
            parameters=list(model.names),
            filters=list(model.filters.names),
            preset=preset,
            seed=seed,
            version=version("dsps_sbi"),
            ssp=model.ssp.name,
            ssp_sha=model.ssp.sha,
            imf=model.ssp.imf,
            cosmology=model.cosmology.name,
            noise_floor=simulator.noise.floor,
        )
        with tqdm(total=n, unit="mock", disable=not progress) as bar:
            for start, mocks in _chunks(simulator, n, seed):
                stop = min(start + len(mocks["z"]), n)
                for name, values in mocks.items():
                    file[name][start:stop] = values[: stop - start]
                bar.update(stop - start)


def _chunks(simulator, n, seed):
    """First index and arrays of each chunk; the last one may be longer than needed."""
    size = _N_Z * _N_PER_Z
    for chunk in range(-(-n // size)):
        pool_key, draw_key, order_key = jax.random.split(jax.random.fold_in(jax.random.key(seed), chunk), 3)
        mocks = simulator.mocks(draw_key, simulator.table_pool(pool_key, _N_Z), _N_Z, _N_PER_Z)
        # one redshift's galaxies come together: shuffled so that any part is a fair sample
        order = np.asarray(jax.random.permutation(order_key, size))
        arrays = {
            "theta": mocks.theta,
            "flux_ujy": mocks.data.flux,
            "sigma_ujy": mocks.data.sigma,
            "valid": mocks.data.valid,
            "upper": mocks.data.upper,
            "z": mocks.z,
        }
        yield chunk * size, {name: np.asarray(values)[order] for name, values in arrays.items()}
