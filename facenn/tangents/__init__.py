"""How pictures of the embedded engine change with its parameters: derivatives from what one render knows."""
