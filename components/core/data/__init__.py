"""What flows: rows, columns, manifests, datasets, settings, gate results, identities."""
