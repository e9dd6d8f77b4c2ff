"""Checks of the rendered manifests, each shown failing on a broken copy: what `make manifests` runs."""
