"""The embedded engine: draws a face and its label map from a parameter vector on a CPU, without a display.

Here is only what draws: every file of this room, and the head's asset, is part of its digest.
"""
