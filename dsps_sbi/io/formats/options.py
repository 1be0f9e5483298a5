"""What a reader of spectra is told by its user, and how headers are read."""

from dataclasses import dataclass, replace

import numpy as np

from ...errors import UserError
from ...instruments.lsf import LSF


@dataclass(frozen=True)
class ReadOptions:
    """The keywords of :func:`dsps_sbi.read_spectrum` that formats share; None: as the file says."""

    redshift: float | None = None
    medium: str | None = None
    lsf: LSF | None = None
    wave_unit: str | None = None
    flux_unit: str | None = None
    snr: float | None = None

    def known(self, **values) -> "ReadOptions":
        """With what the format knows, where the user says nothing."""
        return replace(self, **{name: value for name, value in values.items() if getattr(self, name) is None})

    def keywords(self) -> dict:
        """For :func:`dsps_sbi.io.spectrum_columns.spectrum_of`."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def redshift_in(headers, label, names=("REDSHIFT",)):
    """Redshift in the first header that has one, as a number or as text; None where there is none.

    Raises
    ------
    UserError
        If it is no number.
    """
    for header in headers:
        lower = {str(key).lower(): value for key, value in dict(header).items()}
        for name in names:
            value = lower.get(name.lower())
            if value is None or value == "":
                continue
            try:
                if isinstance(value, bool | np.bool_):
                    raise ValueError
                return float(value)
            except (TypeError, ValueError) as error:
                raise UserError(
                    f"{label}: {name} is {value!r} in the header: expected a number; mend it, or give the "
                    "redshift"
                ) from error
    return None
