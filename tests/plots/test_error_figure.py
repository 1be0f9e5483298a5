import numpy as np
import pytest

from dsps_sbi.errors import UserError
from dsps_sbi.inference.error_summary import ErrorSummary
from dsps_sbi.plots.error_figure import plot_errors


def test_the_distribution_is_drawn(tmp_path):
    rng = np.random.default_rng(0)
    values = {"ppc_p": rng.uniform(size=50), "error_scale": rng.uniform(0.9, 1.1, 50)}
    values["error_dof"] = np.ones(50)
    summary = ErrorSummary.of(values)
    figure = plot_errors(summary, tmp_path / "errors.png")
    assert (tmp_path / "errors.png").stat().st_size > 5000
    (axis,) = figure.axes
    np.testing.assert_allclose(axis.patches[0].get_data().values, 10.0 * np.array(summary.histogram))
    assert "50 objects" in figure.get_suptitle()
    with pytest.raises(
        UserError, match="no distribution to draw .errors: 3 objects with a p-value, 10 are needed"
    ):
        plot_errors(ErrorSummary(3))
