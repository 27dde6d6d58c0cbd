"""Read and clean essays, divide them into splits, and compute features of their surface."""
