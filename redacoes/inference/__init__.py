"""A trained model at work: where it is found, and how it scores one essay or a file."""
