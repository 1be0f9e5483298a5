"""JADES: bands and per-pixel depths of the first paper."""

import numpy as np

from .filter_names import JADES_BANDS as JADES_BANDS

# 1-sigma depth per 0.03" pixel [uJy] in the order of JADES_BANDS, as distributed (MIT) with the
# code of arXiv:2506.04336, file background_noise_hainline.npy.
JADES_DEPTH_UJY = np.array(
    [
        1.20172381e-04, 9.91845288e-05, 9.78304738e-05, 2.72165055e-04, 1.01892639e-04,
        1.97353516e-04, 7.34574838e-05, 1.23219005e-04, 8.32743825e-05, 1.09339941e-04,
        2.65394780e-04, 9.44453363e-05, 3.62548226e-04, 2.70133973e-04, 7.88737038e-05,
        1.22203464e-04, 7.51500525e-05, 2.77581275e-04, 1.44883885e-04,
    ]
)  # fmt: skip

# The bands whose mean signal-to-noise ratio decides whether a pixel is fitted (arXiv:2506.04336)
SNR_BANDS = ("jwst_f277w", "jwst_f356w", "jwst_f444w")
