"""A model leaves the project: exports, its card, and the Hugging Face Hub."""
