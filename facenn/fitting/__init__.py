"""The two ways from a photo to parameters: through the Imitator, or on the engine itself."""
