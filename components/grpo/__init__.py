"""Group-relative policy optimisation with the Observation & Reasoning reward."""
