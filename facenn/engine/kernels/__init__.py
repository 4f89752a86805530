"""The compiled code: from projected triangles to the bytes of a picture, and where it is kept."""
