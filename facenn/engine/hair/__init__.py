"""Hair as cards: where they are rooted, how they grow in each style, and the texture of their strands."""
