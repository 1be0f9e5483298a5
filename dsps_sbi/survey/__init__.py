"""Many objects, one after the other: what was finished stays finished."""
