"""What students are trained with: optimisers, losses, checkpoints, the parity gate, the log."""
