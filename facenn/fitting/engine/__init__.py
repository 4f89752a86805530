"""The fit on the embedded engine itself: Gauss-Newton on what networks see of its pictures."""
