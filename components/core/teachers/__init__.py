"""Teachers: the roles a stage asks, the prompts it sends, and the client that never buys a stored reply twice."""
