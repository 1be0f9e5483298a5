"""How much do libraries of stellar populations differ at equal ages and metallicities, and in which ways?

BC03-MILES is compared with BPASS 2 (binaries, of the package ``hoki==1.7.1``: [M/H] = -1 and -0.4) and with
E-MILES (Padova 2000, six metallicities; without stars younger than 63 Myr, and than 316 Myr beyond 8950
Angstrom), all per mass formed under the IMF of BC03 (Kroupa): the others' masses are scaled by what their
IMF adds to the mass of a star of 0.8 to 3 Msun; and with ``fastar-astro==0.1.2`` (BaSTI-IAC isochrones, BOSZ
atmospheres, 2000 to 11,500 Angstrom, the IMF of BC03, eight metallicities), of which stars above 100 Myr
count: younger ones are hotter than the spectra that its emulator knows, and at low metallicity their infrared
light is ten times too large. Spectra are means over 60 bins of ln wavelength, 1000 Angstrom to 5 micron. FSPS
takes no part: galaxies made by it are what posteriors are examined with.

Galaxies with delayed-tau histories are made of each library. The difference of their whole light, a median
over 4000 to 20,000 Angstrom, is grey: ``grey_dex`` is its scatter. What remains is, for stars of four ranges
of ages, a vector over wavelength; the second moments of these vectors, all libraries weighing the same, have
the principal components that ``dsps_sbi/photometry/model_error.json`` holds (``--write``). The four largest
count. Libraries differ more where stars are metal-poor: ``strength_*`` is the root mean square of the vectors
about four metallicities, in units of what the second moments say; the vectors are divided by that before the
moments are taken, and both are repeated until they agree. Each metallicity of a library counts for the
closest of the four. Beside these stand the ionising photons of stars below 10 Myr, which differ by
``ionising`` between BPASS and BC03 and scale all their light, and 25 % of the transmission of the IGM below
Lyman alpha, a stated scatter from sight line to sight line. No amplitude is above 0.5: beyond that a Gaussian
is no error.

Metrics: ``strength_*``, ``grey_dex``, root mean square difference of each range of ages at some wavelengths,
and ``explained``, the share of the second moments that the kept components hold. The grids must be in the
user's cache: ``dsps-sbi fetch bc03-miles``, ``emiles``, ``emiles-nir``.
"""

import json
import subprocess
import tarfile
import tempfile
from pathlib import Path

import numpy as np
from _contract import options, report, terms
from _environment import python_with
from _packages import archive

from dsps_sbi.photometry import model_error
from dsps_sbi.ssp import load

HOKI, FASTAR = "1.7.1", "0.1.2"
WORKER = Path(__file__).with_name("_fastar_worker.py")
BPASS = {-1.0: "002", -0.39794: "008"}
EDGES_AA = np.geomspace(1000.0, 50_000.0, 61)
MIDDLE_AA = np.sqrt(EDGES_AA[1:] * EDGES_AA[:-1])
AGES_GYR = np.geomspace(1e-3, 13.0, 240)
PARTS_GYR = (0.01, 0.1, 1.0)
LYMAN_ALPHA_AA, LYMAN_LIMIT_AA = 1216.0, 912.0
N_COMPONENT, MOST, IGM = 4, 0.5, 0.25
# [M/H] at which the strength of the errors is told, and rounds until it agrees with their modes
NODES, N_ROUND = (-1.9, -1.2, -0.5, 0.1), 6
# Youngest stars of fastar that count [Gyr]
FASTAR_GYR = 0.1
AT_AA = (1500, 2300, 3100, 5500, 8000, 16_000, 25_000)


def binned(wave_aa, flux):
    """Mean of flux (..., Wave) in the bins; NaN where the wavelengths do not reach."""
    edges = np.r_[wave_aa[0], 0.5 * (wave_aa[1:] + wave_aa[:-1]), wave_aa[-1]]
    cum = np.cumsum(np.asarray(flux, float) * np.diff(edges), axis=-1)
    cum = np.concatenate([np.zeros((*cum.shape[:-1], 1)), cum], axis=-1)
    flat = [np.interp(EDGES_AA, edges, row) for row in cum.reshape(-1, cum.shape[-1])]
    out = np.diff(np.reshape(flat, (*cum.shape[:-1], -1)), axis=-1) / np.diff(EDGES_AA)
    out[..., (EDGES_AA[:-1] < edges[0]) | (EDGES_AA[1:] > edges[-1])] = np.nan
    return out


def at_ages(ages_gyr, table):
    """Rows of a table (Age, Wave) at AGES_GYR; NaN for younger stars than it has."""
    x, known = np.log(AGES_GYR), np.log(np.maximum(ages_gyr, 1e-5))
    out = np.stack([np.interp(x, known, column) for column in table.T], axis=1)
    out[AGES_GYR < 0.999 * ages_gyr[0]] = np.nan
    return out


def at_metallicity(grid, values, metallicity):
    """Values (Met, ...) of a grid at a metallicity, linear in [M/H]."""
    nodes = grid.metallicity
    i = int(np.clip(np.searchsorted(nodes, metallicity) - 1, 0, len(nodes) - 2))
    part = (metallicity - nodes[i]) / (nodes[i + 1] - nodes[i])
    return (1.0 - part) * values[i] + part * values[i + 1]


def mass_per_star(broken, high_slope, most):
    """Mass formed per mass in stars of 0.8 to 3 Msun, of an IMF from 0.1 to ``most`` Msun."""
    mass = np.geomspace(0.1, most, 20_001)
    number = mass**-high_slope
    if broken:
        number = np.where(mass < 0.5, mass**-1.3 * 0.5 ** (1.3 - high_slope), number)
    some = (mass > 0.8) & (mass < 3.0)
    return np.trapezoid(number * mass, mass) / np.trapezoid((number * mass)[some], mass[some])


def bpass(folder):
    """Wavelengths, ages [Gyr], and light (Age, Wave) per Msun of each metallicity of BPASS."""
    with tarfile.open(archive("hoki", HOKI, folder)) as file:
        for metallicity, name in BPASS.items():
            member = f"hoki-{HOKI}/hoki/data/spectra-bin-imf135_300.z{name}.dat"
            table = np.loadtxt(file.extractfile(member), dtype=np.float32)
            ages = 10.0 ** (0.1 * np.arange(table.shape[1] - 1) - 3.0)
            yield metallicity, table[:, 0].astype(float), ages, table[:, 1:].T / 1e6


def ionising(wave_aa, flux):
    """Ionising photons (...) of light (..., Wave), in some unit."""
    some = wave_aa < LYMAN_LIMIT_AA
    return np.trapezoid(np.asarray(flux[..., some], float) * wave_aa[some], wave_aa[some])


def pairs(folder):
    """Name, [M/H], light (Age, Wave) of another library and of BC03, ratio of their ionising photons."""
    bc03 = load("bc03-miles")
    light = binned(bc03.wave_aa, bc03.flux)
    photons = ionising(bc03.wave_aa, bc03.flux)
    kroupa = mass_per_star(True, 2.3, 100.0)

    def ours(metallicity):
        return at_ages(bc03.age_gyr, at_metallicity(bc03, light, metallicity))

    scale = mass_per_star(True, 2.35, 300.0) / kroupa
    young = np.geomspace(1e-3, 1e-2, 30)
    for metallicity, wave_aa, ages, flux in bpass(folder):
        rates = [
            np.interp(np.log(young), np.log(np.maximum(a, 1e-5)), values)
            for a, values in (
                (ages, scale * ionising(wave_aa, flux)),
                (bc03.age_gyr, at_metallicity(bc03, photons, metallicity)),
            )
        ]
        ratio = np.trapezoid(rates[0], young) / np.trapezoid(rates[1], young)
        yield "bpass", metallicity, scale * at_ages(ages, binned(wave_aa, flux)), ours(metallicity), ratio
    scale = mass_per_star(False, 2.3, 100.0) / kroupa
    blue, red = load("emiles"), load("emiles-nir")
    for i, metallicity in enumerate(blue.metallicity):
        theirs = at_ages(blue.age_gyr, binned(blue.wave_aa, blue.flux[i]))
        whole = at_ages(red.age_gyr, binned(red.wave_aa, red.flux[i]))
        theirs = np.where(np.isfinite(whole), whole, theirs)
        yield "emiles", metallicity, scale * theirs, ours(metallicity), np.nan
    wave_aa, ages, metallicities, flux = fastar(folder)
    for metallicity, light_of_ages in zip(metallicities, flux, strict=True):
        theirs = at_ages(ages, binned(wave_aa, light_of_ages))
        theirs[AGES_GYR < FASTAR_GYR] = np.nan
        yield "fastar", metallicity, theirs, ours(metallicity), np.nan


def fastar(folder):
    """Wavelengths, ages [Gyr], [M/H], and light (Met, Age, Wave) per Msun of fastar, in Lsun per Angstrom."""
    python = python_with(f"fastar-{FASTAR}", f"fastar-astro=={FASTAR}")
    file = folder / "fastar.npz"
    subprocess.run([python, WORKER, file], check=True)
    table = np.load(file)
    # its own norm is a sum in steps of 0.02 Msun
    exact = table["mass_of_imf"]
    return table["wave_aa"], table["age_gyr"], table["metallicity"], table["flux"] / exact


def strengths(rows, names, metallicity, moments):
    """Root mean square (Node,) of rows (Row, Value) about NODES, in units of their moments."""
    expected = np.diag(moments)
    known = np.isfinite(rows) & (expected > 0.0)
    ratio = np.where(known, rows, 0.0) ** 2 / np.where(expected > 0.0, expected, 1.0)
    of_row = ratio.sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    closest = np.argmin(np.abs(metallicity[:, None] - np.array(NODES)), axis=1)
    out = []
    for node in range(len(NODES)):
        some = closest == node
        out.append(np.mean([of_row[some & (names == name)].mean() for name in np.unique(names[some])]))
    return np.sqrt(out)


def moments_of(rows, weight):
    """Second moments (Value, Value) of rows (Row, Value) with gaps."""
    known = np.isfinite(rows)
    filled = np.where(known, rows, 0.0) * np.sqrt(weight)[:, None]
    pairs_known = (known * weight[:, None]).T @ known
    out = np.zeros_like(pairs_known)
    return np.divide(filled.T @ filled, pairs_known, out=out, where=pairs_known > 0)


def history(rng):
    """Mass (Age,) in the bins of AGES_GYR of a delayed-tau history."""
    tau, start = 10.0 ** rng.uniform(-1.0, 1.2), 10.0 ** rng.uniform(-0.5, 1.1)
    since = np.maximum(start - AGES_GYR, 0.0)
    mass = since * np.exp(-since / tau) * AGES_GYR
    # a little of all ages: every range has light
    return mass + 1e-6 * mass.max()


def ratio_of(mass, theirs, ours, some):
    """Light of some ages of the other library over ours, (Wave,); NaN where a library has none of them."""
    known = some & np.isfinite(theirs).any(axis=1)
    if known.sum() < 0.5 * some.sum():
        return np.full(len(MIDDLE_AA), np.nan)
    return (mass[known] @ theirs[known]) / (mass[known] @ ours[known])


def main():
    """Compare and report."""
    parser = options(__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="write the modes into the package")
    args = parser.parse_args()
    n = 20 if args.quick else 200
    rng = np.random.default_rng(0)
    bounds = list(zip((0.0, *PARTS_GYR), (*PARTS_GYR, np.inf), strict=True))
    optical = (MIDDLE_AA > 4000.0) & (MIDDLE_AA < 20_000.0)
    names, metallicity, rows, grey, photons = [], [], [], [], []
    with tempfile.TemporaryDirectory() as folder:
        for name, metals, theirs, ours, ratio in pairs(Path(folder)):
            photons.append(ratio)
            for _ in range(n):
                mass = history(rng)
                all_light = ratio_of(mass, theirs, ours, np.isfinite(theirs).any(axis=1))
                level = np.nanmedian(all_light[optical])
                parts = [
                    ratio_of(mass, theirs, ours, (low <= AGES_GYR) & (high > AGES_GYR))
                    for low, high in bounds
                ]
                rows.append((np.clip(np.stack(parts), 0.2, 2.0) / level - 1.0).ravel())
                grey.append(level)
                names.append(name)
                metallicity.append(metals)
    names, metallicity, rows, grey = (np.array(a) for a in (names, metallicity, rows, grey))
    weight = 1.0 / np.array([np.sum(names == name) for name in names])
    strength = np.ones(len(NODES))
    for _ in range(N_ROUND):
        moments = moments_of(rows / np.interp(metallicity, NODES, strength)[:, None], weight)
        strength = strengths(rows, names, metallicity, moments)
    values, vectors = np.linalg.eigh(moments)
    order = np.argsort(values)[::-1][:N_COMPONENT]
    modes = (vectors[:, order] * np.sqrt(values[order])).T.reshape(N_COMPONENT, len(bounds), -1)
    scatter = float(np.sqrt(np.nanmean((np.array(photons) - 1.0) ** 2)))
    more = np.zeros((2, *modes.shape[1:]))
    more[0, 0] = scatter
    more[1][:, MIDDLE_AA < LYMAN_ALPHA_AA] = IGM
    modes = np.clip(np.concatenate([modes, more]), -MOST, MOST)
    grey_dex = float(np.sqrt(np.average(np.log10(grey) ** 2, weights=weight)))
    rms = np.sqrt(np.diag(moments)).reshape(len(bounds), -1)
    metrics = {f"strength_{node:g}": value for node, value in zip(NODES, strength, strict=True)}
    metrics |= {"grey_dex": grey_dex, "ionising": scatter}
    metrics["explained"] = float(values[order].sum() / values[values > 0].sum())
    for part, label in zip(rms, ("10myr", "100myr", "1gyr", "older"), strict=True):
        for at in AT_AA:
            metrics[f"rms_{label}.{at}aa"] = float(np.interp(at, MIDDLE_AA, part))
    if args.write:
        libraries = f"BPASS 2 (hoki {HOKI}), E-MILES and fastar {FASTAR} (BaSTI-IAC)"
        table = {
            "source": f"BC03-MILES beside {libraries}; benchmarks/model_error.py",
            "edges_gyr": PARTS_GYR,
            "grey_dex": round(grey_dex, 4),
            "grey_dof": len(np.unique(names)),
            "wave_aa": MIDDLE_AA.round(1).tolist(),
            "modes": modes.round(4).tolist(),
            "metallicity": NODES,
            # photons of hot stars and the IGM are no matter of libraries
            "strength": [strength.round(3).tolist()] * N_COMPONENT + [[1.0] * len(NODES)] * 2,
        }
        Path(model_error.__file__).with_suffix(".json").write_text(json.dumps(table) + "\n")
    own = terms(
        galaxies_per_pair=n, components=N_COMPONENT, seed=0, hoki=HOKI, fastar=FASTAR, igm=IGM, largest=MOST
    )
    report(args.json, own, metrics)


if __name__ == "__main__":
    main()
