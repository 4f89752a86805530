"""The workshop: local servers of a project, and their supervision."""
