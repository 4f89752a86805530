"""What is painted on the skin: the texture of the whole head, and the front of the face with its brows and lines."""
