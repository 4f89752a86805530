"""From a photo to parameters: what both methods share, and a package for each."""
