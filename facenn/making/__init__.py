"""What is done with or for an engine: many renders, what each slider does, and the making of the head asset."""
