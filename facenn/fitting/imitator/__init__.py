"""The fit through an Imitator, the papers' method: gradient descent, for every game that has renders."""
