"""The head's shape: its mesh, the packed displacements of the sliders, and what the sliders are called."""
