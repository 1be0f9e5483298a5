"""What the columns of a table are: by the user's word, or by the usual names."""

from ..errors import UserError

# What a column can be, and the names, in small letters, by which it is found where none are given
ROLES = {
    "wave": ("wavelength", "wave", "lambda", "lam", "wave_aa", "lambda_aa", "wl"),
    "log10_wave": ("loglam", "log_lambda", "log10_wave", "logwave"),
    "flux": ("flux", "flux_density", "spec", "spectrum", "flam", "fnu", "f_lambda", "f_nu"),
    "error": (
        *("error", "err", "flux_error", "flux_err", "fluxerr", "err_flux", "eflux", "e_flux", "flux_unc"),
        *("ferr", "uncertainty", "sigma", "stdev", "std", "noise"),
    ),
    "ivar": ("ivar", "inverse_variance", "flux_ivar", "invvar"),
    "variance": ("variance", "var", "flux_var", "flux_variance", "stat"),
    "mask": ("mask", "dq", "qual", "quality", "flux_mask"),
    "good": ("good", "valid", "good_pixel", "goodpix"),
    "fwhm_aa": ("fwhm_aa", "fwhm", "lsf_fwhm", "lsf"),
    "sigma_pixel": ("wdisp",),
    "sigma_km_s": ("sigma_km_s", "lsf_km_s"),
    "resolving_power": ("resolving_power", "sres", "specres", "spec_res", "resolution"),
}
LSF_ROLES = ("fwhm_aa", "sigma_pixel", "sigma_km_s", "resolving_power")
ERROR_POWERS = {"error": 1, "variance": 2, "ivar": -2}


def check_roles(roles) -> None:
    """Refuse roles that no column can have.

    Raises
    ------
    UserError
    """
    odd = next((role for role in roles if role not in ROLES), None)
    if odd is not None:
        raise UserError(f"columns names {odd!r}: give any of {', '.join(ROLES)}")


def choose(names, columns, label) -> dict[str, str]:
    """Column of each role.

    Parameters
    ----------
    names : sequence of str
        Columns of the table.
    columns : mapping of str to str, or None
        Column by role as the user gives it; None: by the usual names. Without wavelength and flux they add to
        columns with the usual names.
    label : str
        How messages name the table.

    Raises
    ------
    UserError
        For unknown roles or columns, and where wavelength or flux are not found.
    """
    usual = usual_columns(names)
    chosen = {role: found[0] for role, found in usual.items() if found}
    if columns is not None:
        check_roles(columns)
        for name in columns.values():
            if name not in names:
                raise UserError(f"{label} has no column {name!r}: it has {', '.join(names)}")
        if columns.keys() & {"wave", "log10_wave", "flux"}:
            return _whole(dict(columns), names, label)
        # what a mask or an error is, told beside columns with the usual names
        taken = set(columns.values())
        usual = {role: [name for name in found if name not in taken] for role, found in usual.items()}
        usual |= {role: [name] for role, name in columns.items()}
        chosen = {role: found[0] for role, found in usual.items() if found}
    chosen = _whole(chosen, names, label)
    _refuse_doubles(chosen, usual, columns or {}, label)
    return chosen


def _whole(chosen, names, label):
    """Columns by role, of which wavelength and flux must be there."""
    if "wave" in chosen:
        chosen.pop("log10_wave", None)
    for role in ("wave", "flux"):
        if role not in chosen and f"log10_{role}" not in chosen:
            raise UserError(
                f"{label} has no column for {role} that can be told by its name: pass columns=, for example "
                f"dict(wave='a', flux='b', error='c'), of {', '.join(names)}"
            )
    return chosen


def usual_columns(names) -> dict[str, list[str]]:
    """Columns that can be of each role by their names."""
    return {
        role: [name for word in words for name in names if name.lower() == word]
        for role, words in ROLES.items()
    }


def _refuse_doubles(chosen, usual, columns, label):
    """Refuse to choose between several columns that could be the wavelength, the flux or the error."""
    error = next((role for role in ERROR_POWERS if role in columns), None)
    error = error or next((role for role in ERROR_POWERS if role in chosen), None)
    roles = [role for role in ("wave", "log10_wave", "flux", error) if role in chosen]
    for role in roles:
        if len(usual[role]) > 1:
            example = ", ".join(f"{one}='{chosen[one]}'" for one in roles)
            raise UserError(
                f"{label} has several columns for {role} ({', '.join(usual[role])}): name those that are "
                f"meant, for example columns=dict({example})"
            )


def has_spectrum(names, columns) -> bool:
    """Whether a table has the columns that a spectrum needs: those given by role, or the usual ones."""
    if hasattr(columns, "values"):
        return set(columns.values()) <= set(names)
    small = {name.lower() for name in names}
    wave = {*ROLES["wave"], *ROLES["log10_wave"]}
    return bool(small & wave) and bool(small & set(ROLES["flux"]))
