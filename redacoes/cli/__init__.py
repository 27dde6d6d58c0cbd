"""The command `redacoes`."""
