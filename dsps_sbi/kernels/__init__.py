"""Pure functions of arrays: no classes, no files, units in the names of the arguments."""
