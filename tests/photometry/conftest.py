import pytest

from dsps_sbi.photometry.universal import weight_basis


@pytest.fixture(scope="session", autouse=True)
def light_of_tests(tmp_path_factory):
    """The light that weights are made of is kept in a folder of the tests, not in the user's cache."""
    folder = tmp_path_factory.mktemp("light")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(weight_basis, "cache_dir", lambda: folder)
        yield
