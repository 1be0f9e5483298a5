"""What stars and gas emit: the share of Lyman alpha that leaves a galaxy."""

from dataclasses import replace

import numpy as np
import pytest

from dsps_sbi import UserError
from dsps_sbi.photometry.emitted import gas_of_log_u, lines_of, stars_and_gas


@pytest.mark.parametrize("light", [lambda s, e: stars_and_gas(s, -2.0, e), gas_of_log_u])
def test_lyman_alpha_alone_scales_with_its_escape(toy, light):
    if not np.any(np.abs(lines_of(toy, -2.0) - 1215.67) < 0.5):
        pytest.fail("the toy grid has no Lyman alpha line")
    whole, part = light(toy, 1.0), light(toy, 0.25)
    line = len(toy.wave_aa) + np.flatnonzero(np.abs(lines_of(toy, -2.0) - 1215.67) < 0.5)
    np.testing.assert_allclose(part[..., line], 0.25 * whole[..., line], rtol=1e-6)
    np.testing.assert_array_equal(np.delete(part, line, axis=-1), np.delete(whole, line, axis=-1))


@pytest.mark.parametrize("value", [-0.1, 1.5, "half", True, np.nan])
def test_what_is_no_share_is_refused(toy_model, value):
    with pytest.raises(UserError, match="lya_escape is .*: expected a share; give a number from 0 to 1"):
        replace(toy_model, lya_escape=value)
