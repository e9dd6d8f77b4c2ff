"""Where things are kept: files and objects, keys and values, what outlives a run."""
