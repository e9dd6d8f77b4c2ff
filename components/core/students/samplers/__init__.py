"""How a student's replies are sampled."""
