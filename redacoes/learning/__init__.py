"""Checkpoints, tokens, the classifier, its probe and training, and the baselines."""
