"""A real field: the z = 3.475 galaxy in front of JADES-GS-z14-0, pixel by pixel.

The cutout (110 x 195 pixels, 19 bands of which F430M, F460M and F480M are absent) is read as .npy
arrays. Only the connected component of S/N > 5 through (y, x) = (49, 90) is meant, and inside it
the pixels of GS-z14-0, whose flux vanishes blueward of 1.85 micron: they are masked where the mean
of F090W, F115W and F150W, smoothed over 3 x 3 pixels, is below 0.38 of that of F277W, F356W and
F444W. All other pixels of the field lie at other redshifts: fitted at 3.475 they would look odd.
"""

import tempfile
from pathlib import Path

import numpy as np
from _contract import data_folder, options, report, terms
from scipy import ndimage

import dsps_sbi as ds
from dsps_sbi.instruments.filter_names import JADES_BANDS

SHAPE, REDSHIFT, SEED_PIXEL = (110, 195), 3.475, (49, 90)
BLUE, RED = [0, 1, 2], [6, 8, 11]


def isolate(flux, error):
    """Errors with NaN outside the z = 3.475 galaxy, and its number of pixels."""
    image, sigma = flux.reshape(*SHAPE, -1), error.reshape(*SHAPE, -1)
    snr = np.mean(image[..., RED] / sigma[..., RED], axis=-1)
    labels, _ = ndimage.label(snr > 5.0)
    blend = labels == labels[SEED_PIXEL]
    blue, red = (ndimage.uniform_filter(image[..., bands].mean(axis=-1), 3) for bands in (BLUE, RED))
    galaxy = blend & (blue > 0.38 * red)
    return np.where(galaxy.reshape(-1, 1), error, np.nan), int(blend.sum()), int(galaxy.sum())


def main():
    parser = options(__doc__)
    parser.add_argument("--bundle", default="jades-pixels")
    parser.add_argument("--field", type=Path, help="folder with full_phot_.npy and full_err_.npy")
    parser.add_argument("--out", type=Path, help="folder for maps.fits, maps.png and summary.ecsv")
    args = parser.parse_args()
    folder = data_folder(parser, args.field, "jades", "gsz14")
    flux, error = np.load(folder / "full_phot_.npy"), np.load(folder / "full_err_.npy")
    error, n_blend, n_galaxy = isolate(flux, error)
    with tempfile.TemporaryDirectory() as temporary:
        paths = [Path(temporary) / name for name in ("flux.npy", "error.npy")]
        for path, array in zip(paths, (flux, error), strict=True):
            np.save(path, array)
        cube = ds.read_npy(*paths, shape=SHAPE, filters=JADES_BANDS, redshift=REDSHIFT)
    n_draws = 100 if args.quick else 500
    result = ds.load_bundle(args.bundle).infer(cube, n_draws=n_draws)
    if args.out is not None:
        result.write(args.out)
    metrics = {"pixels_blend": n_blend, "pixels_galaxy": n_galaxy, "pixels_fitted": int(result.fitted.sum())}
    for row in result.totals:
        for kind in ("independent", "correlated"):
            metrics |= {
                f"total_{row['quantity']}.{kind}_{p}": float(row[f"{kind}_{p}"]) for p in (16, 50, 84)
            }
    for name in ("mass_weighted_age", "t50", "metallicity", "av", "log_ssfr"):
        low, median, high = result.percentiles(name)[:, result.fitted]
        metrics[f"{name}.median_of_medians"] = float(np.median(median))
        metrics[f"{name}.median_half_width"] = float(np.median((high - low) / 2))
    report(
        args.json,
        terms(
            objects=int(result.fitted.sum()), draws=n_draws, redshift=REDSHIFT, seed=0, selection="S/N > 5"
        ),
        metrics,
    )


if __name__ == "__main__":
    main()
