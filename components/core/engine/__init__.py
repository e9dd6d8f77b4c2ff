"""How a task lives: its stage, its run, its record, its log."""
