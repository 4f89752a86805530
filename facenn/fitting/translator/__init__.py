"""The fit in one shot: what a Translator says of a photo."""
