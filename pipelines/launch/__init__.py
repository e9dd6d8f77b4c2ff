"""How a pipeline is launched: on this machine through kfp.local, or on a cluster through its API."""
