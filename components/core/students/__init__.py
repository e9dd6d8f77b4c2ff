"""Building, loading, prompting, sampling and scoring the model in training; the tag grammar of its traces."""
