"""facenn turns a photo of a person into the parameters of a game's face editor."""
