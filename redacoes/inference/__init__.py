"""Find a trained model, and score one essay or a file with it."""
