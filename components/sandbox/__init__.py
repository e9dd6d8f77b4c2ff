"""The sandbox: a world small enough for a laptop (`corpus`), and a teacher that looks at it (`teacher`)."""
