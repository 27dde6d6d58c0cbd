"""The subcommands of `redacoes`, one module each.

Each has a docstring whose first line is its help, `add_arguments`, and `run`, which returns the exit status. `run`
imports slow libraries itself, so that `redacoes --help` answers at once.
"""
