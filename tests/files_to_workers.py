"""Which worker of pytest-xdist runs which files: what one file has traced, its neighbours need not."""

from xdist.scheduler import LoadFileScheduling

# The longest, in the order in which they begin: those that share programs follow each other
_SPECTRA = (
    "test_spectra_readme",
    "test_spectrum_infer",
    "test_spectra_compiled_by_content",
    "test_check_spectra",
    "test_modes_of_spectra",
    "test_alpha",
    "test_demo_spectrum",
    "test_survey_of_spectra",
    "test_cli_spectra",
    "test_spectrum_catalogue",
    "test_spectrum_figure",
    "test_to_library",
    "test_spectrum_network",
    "test_bundle_of_spectra",
    "test_ngc3522",
)
_OTHERS = (
    "test_notebooks",
    "test_redshift_infer",
    "test_image_redshift",
    "test_redshift_predictive",
    "test_redshift_tables",
    "test_universal_typicality",
    "test_universal_posterior",
    "test_universal_likelihood",
    "test_demo_image",
    "test_train",
    "test_typicality",
    "test_compiled_by_content",
    "test_trainer",
    "test_config",
    "test_families",
)
_FIRST = {name: place for place, name in enumerate(_SPECTRA + _OTHERS)}


class Neighbours(LoadFileScheduling):
    """One half of the workers begins with files of spectra, the other with all else; then they help out."""

    def _assign_work_unit(self, node):
        of_spectra = self.nodes.index(node) % 2 == 0

        def rank(file):
            foreign = ("/spectroscopy/" in file) != of_spectra
            name = file.rsplit("/", 1)[-1].removesuffix(".py")
            return foreign, _FIRST.get(name, len(_FIRST)), -len(self.workqueue[file])

        self.workqueue.move_to_end(min(self.workqueue, key=rank), last=False)
        super()._assign_work_unit(node)
