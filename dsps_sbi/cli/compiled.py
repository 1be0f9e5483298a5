"""Compiled programs that the command line keeps, so that a second run need not compile them again."""

import os
import sys
import warnings
from pathlib import Path

from ..ssp.cache import ENVIRONMENT, cache_dir

# jax removes what was used longest ago beyond this [bytes]
MAX_BYTES = 1 << 30
# What takes less time to compile is compiled again [s]
_LEAST_SECONDS = 0.0


def compiled_dir() -> Path:
    """Folder of compiled programs: ``JAX_COMPILATION_CACHE_DIR``, or ``compiled`` in the user's cache."""
    return Path(os.environ.get("JAX_COMPILATION_CACHE_DIR") or cache_dir() / "compiled")


def keep_compiled() -> None:
    """Let jax keep compiled programs in :func:`compiled_dir`; without that where it cannot be written."""
    import jax

    from ..inference.exported import keep_in

    folder = compiled_dir()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".writable-{os.getpid()}"
        probe.write_bytes(bytes(4096))
        probe.unlink()
    except OSError as error:
        print(
            f"NOTICE: compiled programs cannot be kept in {folder} ({error.strerror}): every run compiles "
            f"them again; set {ENVIRONMENT} to a folder that can be written",
            file=sys.stderr,
        )
        return
    # a disk that fills up, or a damaged file, costs a compilation and nothing else
    warnings.filterwarnings("ignore", message="Error (reading|writing) persistent compilation cache entry")
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_compilation_cache_max_size", MAX_BYTES)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", _LEAST_SECONDS)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", 0)
    keep_in(folder / "traced")


def describe() -> str:
    """Where compiled programs are, and how much room they take."""
    folder = compiled_dir()
    size = sum(file.stat().st_size for file in folder.glob("*") if file.is_file()) if folder.is_dir() else 0
    return f"{folder} ({size / 1e6:.0f} MB, at most {MAX_BYTES / 1e6:.0f})"
