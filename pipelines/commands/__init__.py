"""The verbs of the `rewatch` command, by subject. Imports lie inside, so that `rewatch --help` answers at once."""
