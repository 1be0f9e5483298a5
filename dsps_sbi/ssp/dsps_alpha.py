r"""Grids by [alpha/Fe] in a four-dimensional HDF5 layout of DSPS's names, which Ceridwen publishes.

As :mod:`dsps_sbi.ssp.dsps_hdf5`, with ``ssp_afe`` (Alpha,), [alpha/Fe], and ``ssp_flux`` (Alpha, Met, Age,
Wave), L_sun / Hz / M_sun formed; optionally ``ssp_stellar_mass`` (Alpha, Met, Age), mass in stars and
remnants per mass formed. Attributes: ``axis_meaning``, what ``ssp_lgmet`` is; ``log10_zsun``;
``refused_cells_json``, cells between nodes that must not be used (FSPS has one set of isochrones twice).

On grids of FSPS every [alpha/Fe] has the same [Fe/H] (``axis_meaning`` "feh"), so that the total metallicity
rises with [alpha/Fe]. Here metallicities are total ones, :math:`[M/H] = [Fe/H] + \log_{10}(1 - x + x\,
10^{[\alpha/Fe]})` with x the share of the alpha elements in the Sun's metals: the spectra are interpolated in
[M/H], linearly, to nodes that all [alpha/Fe] cover.
"""

import json
import os
from pathlib import Path

import h5py
import numpy as np

from dsps_sbi.constants import C_AA_S, Z_SUN
from dsps_sbi.errors import UserError
from dsps_sbi.ssp._checks import axis as checked_axis
from dsps_sbi.ssp.grid import SSPGrid

_KEYS = ("ssp_afe", "ssp_lgmet", "ssp_lg_age_gyr", "ssp_wave", "ssp_flux")
# Share of the alpha elements in the metals of Grevesse & Sauval (1998), as Ceridwen 1.0.13 has it for MIST
ALPHA_SHARE = 0.68749
# FSPS's numbers of initial mass functions
_IMFS = {0: "Salpeter (1955)", 1: "Chabrier (2003)", 2: "Kroupa (2001)"}


def read_dsps_alpha(
    path: str | os.PathLike,
    *,
    axis: str | None = None,
    z_sun: float | None = None,
    alpha_share: float = ALPHA_SHARE,
    alpha_fe: tuple[float, float] = (-np.inf, np.inf),
    metallicity: tuple[float, float] = (-np.inf, np.inf),
    wave_medium: str = "vacuum",
    **words,
) -> dict[float, SSPGrid]:
    """Read grids by [alpha/Fe].

    Parameters
    ----------
    path : path-like
    axis : {"feh", "total"}, optional
        What ``ssp_lgmet`` is, less log10 Z_sun; by default what the file says.
    z_sun : float, optional
        Mass fraction of metals in the Sun; by default that of the file, else 0.02.
    alpha_share : float
        Share of the alpha elements in it, for an axis of [Fe/H].
    alpha_fe, metallicity : (float, float)
        Nodes to keep: [alpha/Fe], and [Fe/H] or [M/H] as the file has it.
    wave_medium : {"vacuum", "air"}
        Not said in the file; FSPS, which makes them, works in vacuum.
    **words
        Other attributes of SSPGrid, such as ``fwhm_aa``.

    Returns
    -------
    dict of float to SSPGrid
        For :class:`dsps_sbi.SpectrumModel`; total [M/H].

    Raises
    ------
    UserError
        If the file has another layout, does not say what its metallicities are, holds a cell that must not
        be used, or an SSP is missing.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"there is no {path}: give an HDF5 file of SSPs by [alpha/Fe]")
    try:
        with h5py.File(path, "r") as f:
            missing = [key for key in _KEYS if key not in f]
            alpha, met, age, wave, flux = (np.asarray(f[k][()], float) if k in f else None for k in _KEYS)
            mass = np.asarray(f["ssp_stellar_mass"][()], float) if "ssp_stellar_mass" in f else None
            told = dict(f.attrs)
            cells = [tuple(cell) for cell in json.loads(told.get("refused_cells_json", "[]"))]
    except (OSError, TypeError, ValueError) as err:
        raise UserError(f"{path} is cut short or not HDF5: give a file of SSPs by [alpha/Fe]") from err
    if missing:
        hint = ": read_dsps reads grids without it" if missing == ["ssp_afe"] else ""
        raise UserError(f"{path} holds no {', '.join(missing)}: give a file of SSPs by [alpha/Fe]{hint}")
    shape = tuple(a.size for a in (alpha, met, age, wave))
    if flux.shape != shape:
        raise UserError(
            f"{path}: ssp_flux has shape {flux.shape}, expected {shape} (Alpha, Met, Age, Wave): transpose "
            "or trim it to match"
        )
    axis = told.get("axis_meaning") if axis is None else axis
    axis = axis.decode() if isinstance(axis, bytes) else axis
    if axis not in ("feh", "total"):
        raise UserError(
            f"{path} does not say whether ssp_lgmet is of iron or of all metals ({axis!r}): pass axis='feh' "
            "or axis='total'"
        )
    log_sun = np.log10(z_sun) if z_sun is not None else float(told.get("log10_zsun", np.log10(Z_SUN)))
    alpha = checked_axis(alpha, f"{path}: ssp_afe")
    met = checked_axis(met - log_sun, f"{path}: ssp_lgmet")
    keep_alpha = (alpha >= alpha_fe[0] - 1e-9) & (alpha <= alpha_fe[1] + 1e-9)
    keep_met = (met >= metallicity[0] - 1e-9) & (met <= metallicity[1] + 1e-9)
    _refuse_cells(path, cells, alpha, met, keep_alpha, keep_met)
    if keep_alpha.sum() < 2 or not keep_met.any():
        raise UserError(
            f"{path}: {keep_alpha.sum()} [alpha/Fe] and {keep_met.sum()} metallicities are left of "
            f"{alpha[0]:+.2f} to {alpha[-1]:+.2f} and {met[0]:+.2f} to {met[-1]:+.2f}: keep two [alpha/Fe] "
            "at least"
        )
    _refuse_missing(path, flux, alpha, met, age)
    alpha, met, flux = alpha[keep_alpha], met[keep_met], flux[keep_alpha][:, keep_met]
    mass = None if mass is None else mass[keep_alpha][:, keep_met]
    shift = np.zeros_like(alpha)
    if axis == "feh":
        shift = np.log10(1.0 - alpha_share + alpha_share * 10.0**alpha)
    nodes = _common(path, met, shift)
    with np.errstate(divide="ignore", invalid="ignore"):  # SSPGrid says what is wrong with a wavelength
        density = flux * C_AA_S / wave**2
    words = {"name": path.stem, "wave_medium": wave_medium} | words
    if int(told.get("imf_type", -1)) in _IMFS:
        words = {"imf": _IMFS[int(told["imf_type"])]} | words
    return {
        float(np.round(a, 4)) + 0.0: SSPGrid(
            **words | {"name": f"{words['name']}_alpha{a:+.2f}"},
            wave_aa=wave,
            age_gyr=10.0**age,
            metallicity=nodes,
            flux=_interpolated(nodes, met + shift[i], density[i]),
            surviving_fraction=None if mass is None else _interpolated(nodes, met + shift[i], mass[i]),
        )
        for i, a in enumerate(alpha)
    }


def _refuse_cells(path, cells, alpha, met, keep_alpha, keep_met):
    """Refuse cells between nodes that must not be used, where all their nodes are kept."""
    for iz, ia in cells:
        if keep_met[iz - 1 : iz + 1].all() and keep_alpha[ia - 1 : ia + 1].all():
            raise UserError(
                f"{path} says that its spectra between {met[iz - 1]:+.2f} and {met[iz]:+.2f} in metallicity "
                f"and {alpha[ia - 1]:+.2f} and {alpha[ia]:+.2f} in [alpha/Fe] must not be used: pass "
                f"metallicity=({met[0]:.2f}, {met[iz - 1]:.2f}) or alpha_fe=({alpha[0]:.2f}, "
                f"{alpha[ia - 1]:.2f})"
            )


def _refuse_missing(path, flux, alpha, met, age):
    """Refuse SSPs without a number or without light."""
    missing = np.argwhere(~np.isfinite(flux).all(axis=-1) | (flux <= 0.0).all(axis=-1))
    if missing.size:
        a, m, t = missing[0]
        raise UserError(
            f"{path}: the SSP of [alpha/Fe] {alpha[a]:+.2f}, metallicity {met[m]:+.2f}, {10.0 ** age[t]:.4g} "
            f"Gyr is missing ({len(missing)} such): fill it in, or cut the grid"
        )


def _common(path, met, shift):
    """Metallicities (Node,) that all planes cover: those of the file, and the ends of what they share."""
    low, high = met[0] + shift.max(), met[-1] + shift.min()
    if not low < high:
        if met.size == 1 and not shift.any():
            return met
        raise UserError(
            f"{path}: the total metallicities of its [alpha/Fe] have nothing in common ({met[0]:+.2f} to "
            f"{met[-1]:+.2f} in [Fe/H]): keep a smaller range of alpha_fe="
        )
    inside = met[(met > low + 1e-3) & (met < high - 1e-3)]
    return np.concatenate([[low], inside, [high]])


def _interpolated(nodes, met, values):
    """Values (Node, ...) at metallicities, of those (Met, ...) at others; linear."""
    if met.size == 1:
        return values
    i = np.clip(np.searchsorted(met, nodes, side="right") - 1, 0, met.size - 2)
    part = np.clip((nodes - met[i]) / (met[i + 1] - met[i]), 0.0, 1.0)
    part = part.reshape(-1, *[1] * (values.ndim - 1))
    return values[i] * (1.0 - part) + values[i + 1] * part
