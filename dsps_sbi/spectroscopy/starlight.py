"""The light of a galaxy's stars, at rest and before they move."""

from ..kernels.csp import composite, enriched_weights, metallicity_weights, outer
from ..kernels.full_precision import matmul
from ..sfh import mass_weights


def starlight(model, theta, universe_gyr):
    """Light (..., Grid) of theta (..., Param): lambda L_lambda [L_sun] per solar mass formed.

    Parameters
    ----------
    model : SpectrumModel
    theta : array (..., Param)
    universe_gyr : array
        Age of the Universe [Gyr].
    """
    params = theta[..., None, : len(model.sfh.names)]
    metallicity, of_alpha = model.column(theta, "metallicity"), None
    if model.alphas is not None:
        of_alpha = metallicity_weights(model.column(theta, "alpha_fe"), model.alphas)
    if "metallicity_rise" in model.names:
        younger = model.sfh.fraction_younger(params, model.edges, universe_gyr)
        joint = enriched_weights(younger, metallicity, model.column(theta, "metallicity_rise"), model.nodes)
        joint = joint.reshape(*joint.shape[:-2], -1)
        joint = joint if of_alpha is None else outer(of_alpha, joint)
        return matmul(joint, model.light.reshape(-1, model.light.shape[-1]))
    columns = metallicity_weights(metallicity, model.nodes)
    columns = columns if of_alpha is None else outer(of_alpha, columns)
    return composite(mass_weights(model.sfh, params, model.edges, universe_gyr), columns, model.light)
