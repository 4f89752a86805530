"""The embedded engine: draws a face and its label map from a parameter vector on a CPU, without a display."""
