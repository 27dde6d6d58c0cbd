"""A model for use outside the project: exports, its card, and the Hugging Face Hub."""
