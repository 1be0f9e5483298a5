"""The noise of the released SBIPIX code (arXiv:2506.04336), mapped onto ours.

That code draws the error of each band in magnitudes, sigma_mag ~ N(mean, sd), from four bins of the
noiseless magnitude; a band whose noiseless flux is below the depth is a non-detection that carries
only the depth. Mapping:

- a detected band is measured with Gaussian noise of sigma_f = |sigma_mag| f / 1.0857 in flux, where
  the bin is that of the noiseless magnitude, as there. Its bright-end error (2-9 % of the flux in
  the brightest bin) plays the part of our floor;
- reported as sky is what sigma_f holds beyond our floor, sqrt(sigma_f^2 - (0.05 f)^2), kept between
  the sigma_f of the brightest bin's faint edge and 2.5 dex above the depth (the trained range);
- a non-detection is a measurement with the depth as its sky, and that depth reported.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

MAG_PER_RELATIVE = 2.5 / np.log(10.0)


@dataclass(frozen=True)
class SbipixNoise:
    """The released noise arrays.

    Parameters
    ----------
    depth (Band,) uJy, mean (Band, 4) mag, sd (Band, 4) mag, edges (4, Band) mag.
    """

    depth: np.ndarray
    mean: np.ndarray
    sd: np.ndarray
    edges: np.ndarray
    last_bin: np.ndarray

    @classmethod
    def read(cls, folder: Path) -> "SbipixNoise":
        """Read the arrays ``background_noise_hainline.npy`` and ``*_jades_res_bins.npy``."""
        load = [
            np.load(folder / f"{name}.npy")
            for name in (
                "background_noise_hainline",
                "mean_sigma_jades_res_bins",
                "std_sigma_jades_res_bins",
                "percentiles_jades_res_bins",
            )
        ]
        last = np.full(19, 3)
        last[[10, 12, 13, 14, 15, 16, 17, 18]] = 2
        return cls(load[0], load[1][:, :4], load[2][:, :4], load[3], last)

    def observe(self, rng, flux, floor):
        """Noisy fluxes, reported skies and total sigmas (Object, Band) of noiseless fluxes [uJy]."""
        magnitude = 23.9 - 2.5 * np.log10(np.maximum(flux, 1e-30))
        bins = np.minimum((magnitude[:, None, :] >= self.edges[:3]).sum(axis=1), self.last_bin)
        band = np.arange(flux.shape[1])
        sigma_mag = np.abs(rng.normal(self.mean[band, bins], self.sd[band, bins]))
        detected = flux > self.depth
        sigma = np.where(detected, sigma_mag * flux / MAG_PER_RELATIVE, self.depth)
        edge_flux = 10.0 ** (-0.4 * (self.edges[0] - 23.9))
        least = self.mean[:, 0] * edge_flux / MAG_PER_RELATIVE
        sky = np.sqrt(np.maximum(sigma**2 - (floor * flux) ** 2, 0.0))
        sky = np.clip(sky, np.minimum(least, self.depth), self.depth * 10**2.5)
        return flux + sigma * rng.standard_normal(flux.shape), np.where(detected, sky, self.depth), sigma
