"""Decide scores from class probabilities, and measure and compare scores."""
