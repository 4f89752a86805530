"""What crosses to and from a game: renders folders, the original's Unity export and models, presets."""
