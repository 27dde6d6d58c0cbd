"""The subcommands of `redacoes`, one module each.

Each has a docstring whose first line is its help, `add_arguments` and `run`, which returns the exit status. What takes
long to import is imported in `run`, so that `redacoes --help` answers at once.
"""
