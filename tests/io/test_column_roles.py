import pytest

from dsps_sbi.errors import UserError
from dsps_sbi.io.column_roles import choose, usual_columns


def test_by_the_usual_names_in_any_case():
    assert usual_columns(["WAVE", "Flux"])["wave"] == ["WAVE"]
    chosen = choose(["LOGLAM", "flux", "IVAR"], None, "t")
    assert chosen == {"log10_wave": "LOGLAM", "flux": "flux", "ivar": "IVAR"}
    # both say the same
    assert choose(["loglam", "wave", "flux"], None, "t") == {"wave": "wave", "flux": "flux"}


@pytest.mark.parametrize(
    ("names", "role", "found"),
    [
        (["wave", "wavelength", "flux", "error"], "wave", "wavelength, wave"),
        (["wave", "flux", "Flux", "error"], "flux", "flux, Flux"),
        (["wave", "flux", "err", "sigma"], "error", "err, sigma"),
        (["wave", "flux", "ivar", "IVAR"], "ivar", "ivar, IVAR"),
    ],
)
def test_doubles_are_not_chosen_from_in_silence(names, role, found):
    with pytest.raises(
        UserError,
        match=rf"t has several columns for {role} \({found}\): name those that are .* columns=dict\(",
    ):
        choose(names, None, "t")
    roles = {"wave": names[0], "flux": "flux", ("ivar" if "ivar" in names else "error"): names[-1]}
    assert choose(names, roles, "t") == roles


def test_a_role_that_is_named_ends_the_doubt():
    names = ["wave", "flux", "err", "sigma", "good"]
    assert choose(names, {"error": "sigma"}, "t")["error"] == "sigma"
    # an error that is not used is no doubt
    assert choose(["wave", "flux", "err", "ivar", "IVAR"], None, "t")["error"] == "err"
