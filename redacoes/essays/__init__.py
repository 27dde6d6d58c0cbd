"""Essays as they come in: files, text, columns, splits, and the features of their surface."""
