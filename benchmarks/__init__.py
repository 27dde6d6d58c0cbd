"""The benchmarks of `make bench`. Each prints a comparison; none is a test."""
