"""From class probabilities to a score, and how good scores are."""
