"""What `make bench` runs. Each prints what it compares; nothing here is a test."""
