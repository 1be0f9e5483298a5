"""Does noise that was learned from empty pixels state the errors of sums of pixels?

Two images. One is synthetic: white noise seen through a known kernel, so that all numbers of the learned
noise are known in closed form. The other is real: the field around JADES-GS-z14-0 (110 x 195 pixels, 16
bands). The noise is learned from its left half. Sums of empty squares in the right half are compared with
the errors that this noise states (`.scatter_learned`), and with those of independent pixels with their
stated errors (`.scatter_stated`): both are 1 where errors are right. Then the galaxy at z = 3.475 of
field_gsz14.py is fitted with the noise of the whole field: how does the error of its total mass change?
"""

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from _contract import data_folder, options, report, terms
from astropy.stats import mad_std
from field_gsz14 import REDSHIFT, SHAPE, isolate
from scipy.signal import convolve2d

import dsps_sbi as ds
from dsps_sbi.instruments.filter_names import JADES_BANDS
from dsps_sbi.noise.empty import empty_pixels

KERNEL = np.outer(*[np.exp(-0.5 * (np.arange(-4, 5) / 1.5) ** 2)] * 2)
# Sides of the squares [pixel]
SIDES = (1, 3, 5, 9)


def synthetic(seed, side):
    """Largest deviations of what is learned from what is known, of one image."""
    rng = np.random.default_rng(seed)
    white = rng.standard_normal((side + 16, side + 16))
    flux = convolve2d(white, KERNEL, mode="same")[8:-8, 8:-8].reshape(-1, 1)
    cube = ds.PixelCube(flux, np.ones_like(flux), ("jwst_f277w",), 1.0, (side, side))
    noise = ds.learn_noise([cube], np.zeros((side, side), int))
    norm = np.sqrt((KERNEL**2).sum())
    autocorrelation = convolve2d(KERNEL, KERNEL)[:17, :17] / norm**2
    y, x = np.mgrid[-20:21, -20:21]
    ratios = []
    for n, found in zip(noise.n_pixels, noise.factor[0], strict=True):
        disk = np.hypot(y, x)
        disk = (disk <= np.sort(disk.ravel())[n - 1] + 1e-9).astype(float)
        seen = convolve2d(disk, KERNEL)
        ratios.append(found / np.sqrt((seen**2).sum() / disk.sum()) * norm)
    return {
        "synthetic.error_ratio": noise.error_ratio[0] / norm,
        "synthetic.largest_error_of_correlation": np.abs(noise.correlation[0] - autocorrelation).max(),
        "synthetic.factor_lowest": np.nanmin(ratios),
        "synthetic.factor_highest": np.nanmax(ratios),
    }


def cube_of(flux, sigma, filters, columns):
    """A part of the field, those columns of it."""
    planes = (np.asarray(a).reshape(*SHAPE, -1)[:, columns] for a in (flux, sigma))
    flux, sigma = (np.ascontiguousarray(p).reshape(-1, p.shape[-1]) for p in planes)
    shape = SHAPE[0], len(flux) // SHAPE[0]
    return ds.PixelCube(flux, sigma, filters, REDSHIFT, shape)


def planes(cube):
    arrays = (np.asarray(a).reshape(*cube.shape, -1) for a in (cube.flux_ujy, cube.sigma_ujy))
    return (np.moveaxis(array, -1, 0) for array in arrays)


def sums(cube, noise):
    """Scatter of sums of empty squares over their errors, by side: as stated, as learned; mean of bands."""
    flux, sigma = planes(cube)
    valid = np.moveaxis(cube.valid.reshape(*cube.shape, -1), -1, 0)
    empty = empty_pixels(flux, sigma, valid)
    out = {}
    for side in SIDES:
        corners = [(y, x) for y in range(0, cube.shape[0] - side + 1, max(side // 2, 1))
                   for x in range(0, cube.shape[1] - side + 1, max(side // 2, 1))]  # fmt: skip
        corners = [(y, x) for y, x in corners if empty[y : y + side, x : x + side].all()]
        ratio = noise.sum_ratio(np.ones((side, side))) * noise.error_ratio
        stated, learned = [], []
        for b in range(len(cube.filters)):
            level = np.median(flux[b][empty & valid[b]])
            square = [(slice(y, y + side), slice(x, x + side)) for y, x in corners]
            square = [place for place in square if valid[b][place].all()]
            values = [(flux[b][p] - level).sum() / np.sqrt((sigma[b][p] ** 2).sum()) for p in square]
            stated.append(mad_std(values))
            learned.append(stated[-1] / ratio[b])
        out[side] = float(np.mean(stated)), float(np.mean(learned)), len(corners)
    return out


def main():
    parser = options(__doc__)
    parser.add_argument("--bundle", default="jades-pixels")
    parser.add_argument("--field", type=Path, help="folder with full_phot_.npy and full_err_.npy")
    args = parser.parse_args()
    folder = data_folder(parser, args.field, "jades", "gsz14")
    flux, error = np.load(folder / "full_phot_.npy"), np.load(folder / "full_err_.npy")
    metrics = synthetic(0, 300 if args.quick else 1000)
    there = np.flatnonzero((flux != 0).any(axis=0))
    filters = tuple(JADES_BANDS[i] for i in there)
    left, right, whole = (
        cube_of(flux[:, there], error[:, there], filters, part)
        for part in (slice(0, SHAPE[1] // 2), slice(SHAPE[1] // 2, None), slice(None))
    )
    for side, (stated, learned, n) in sums(right, ds.learn_noise([left])).items():
        metrics[f"field.side_{side}.scatter_stated"] = stated
        metrics[f"field.side_{side}.scatter_learned"] = learned
        metrics[f"field.side_{side}.squares"] = n
    noise = ds.learn_noise([whole])
    middle = noise.lags
    neighbour = 0.5 * (noise.correlation[:, middle, middle + 1] + noise.correlation[:, middle + 1, middle])
    words = ("lowest", "median", "highest")
    for name, values in (("error_ratio", noise.error_ratio), ("neighbour_correlation", neighbour)):
        for word, value in zip(words, np.quantile(values, (0, 0.5, 1)), strict=True):
            metrics[f"field.{name}_{word}"] = float(value)
    for n, values in zip(noise.n_pixels, noise.factor.T, strict=True):
        if np.isfinite(values).all():
            metrics[f"field.factor_{n}_pixels"] = float(np.median(values))
    metrics["field.far_median"] = float(np.median(noise.far))
    with tempfile.TemporaryDirectory() as temporary:
        ds.write_noise(Path(temporary) / "noise.ecsv", noise)
        noise = ds.read_noise(Path(temporary) / "noise.ecsv")
    isolated, _, n_galaxy = isolate(flux, error)
    cube = cube_of(flux[:, there], isolated[:, there], filters, slice(None))
    post, n_draws = ds.load_bundle(args.bundle), 100 if args.quick else 500
    result = post.infer(cube, n_draws=n_draws, quantities=("log_mass",))
    # the same pixels, with the errors that they have
    fitted = replace(cube, mask=~result.fitted)
    learned = post.infer(fitted.with_noise(noise), n_draws=n_draws, quantities=("log_mass",))
    for word, found, kind in (
        ("stated", result, "independent"),
        ("scaled", learned, "independent"),
        ("learned", learned, "noise"),
    ):
        low, median, high = (float(found.totals[f"{kind}_{p}"][0]) for p in (16, 50, 84))
        metrics[f"galaxy.total_log_mass_{word}"] = median
        metrics[f"galaxy.total_log_mass_error_{word}"] = (high - low) / 2
    metrics["galaxy.pixels"] = int(result.fitted.sum())
    metrics["galaxy.noise_ratio"] = learned.meta["noise_ratio_log_mass"]
    report(
        args.json,
        terms(objects=n_galaxy, draws=n_draws, redshift=REDSHIFT, seed=0, bundle=args.bundle,
              noise="learned from empty pixels, sources found in the images"),
        metrics,
    )  # fmt: skip


if __name__ == "__main__":
    main()
