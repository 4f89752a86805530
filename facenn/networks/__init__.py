"""The networks: frozen ones that see faces, and the Imitator that learns to draw them."""
