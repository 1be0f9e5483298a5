"""SSPs of fastar, in an environment of its own: light per mass formed, to the file that is named.

Fluxes of fastar are those at 10 pc in erg/s/cm2/Angstrom; they leave as Lsun per Angstrom. ``mass_of_imf`` is
the mass that its IMF holds, 1 but for the coarse sum that it is normalised by.
"""

import sys

import jax
import jax.numpy as jnp
import numpy as np
from fastar import IntegratedSSPSynthesizer
from fastar.imf.named_imf.kroupa import kroupa

METALLICITY = (-2.2, -1.71, -1.31, -1.0, -0.71, -0.4, 0.0, 0.22)
AGE_GYR = np.geomspace(0.02, 13.5, 60)
SPHERE_CM2, SUN_ERG_S = 4.0 * np.pi * 3.0857e19**2, 3.828e33


def main():
    synthesizer = IntegratedSSPSynthesizer(model_label="phot", imf_function=kroupa)
    one = jax.jit(lambda age, metallicity: synthesizer.synthesize(age, metallicity))
    flux = [[one(jnp.float32(a), jnp.float32(m)) for a in AGE_GYR] for m in METALLICITY]
    mass = np.geomspace(0.1, 100.0, 20_001)
    held = np.trapezoid(np.asarray(kroupa(jnp.asarray(mass), {}), float) * mass, mass)
    np.savez(
        sys.argv[1],
        wave_aa=np.asarray(synthesizer.wave, float),
        age_gyr=AGE_GYR,
        metallicity=METALLICITY,
        flux=np.asarray(flux).astype(float) * SPHERE_CM2 / SUN_ERG_S,
        mass_of_imf=held,
    )


if __name__ == "__main__":
    main()
