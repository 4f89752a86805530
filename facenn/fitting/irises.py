"""Irises as the engine would draw them: in photos their colour is dimmed by what the eye mirrors."""

from dataclasses import replace

import numpy as np

from facenn.fitting.sight import Floats, Sights

GAIN = 2.2  # brown irises differ that much more from grey in drawn faces than in studio photos
DARKEST, DARK = 0.14, 0.19  # sRGB; from the second to the first one an iris is ever more surely brown
BROWN = np.array([1.43, 0.96, 0.61], np.float32)  # of a drawn brown iris, in parts of its mean


def with_clear_irises(photo: Sights) -> Sights:
    """What is seen in photos, but for the colour of the irises: without the grey that is mirrored in them."""
    return replace(photo, iris=cleared(photo.iris))


def cleared(irises: Floats) -> Floats:
    """(B, 3) colours of irises in photos without what is mirrored in them: moved away from grey.

    Nobody has irises that are dark and not brown.
    """
    mean = irises.mean(1, keepdims=True)
    sure = np.clip((DARK - mean) / (DARK - DARKEST), 0, 1)
    clear: Floats = (1 - sure) * (mean + GAIN * (irises - mean)) + sure * mean * BROWN
    return clear
