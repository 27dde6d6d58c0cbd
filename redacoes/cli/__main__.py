"""The command `redacoes` as `python -m redacoes.cli`."""

from redacoes.cli.main import main

raise SystemExit(main())
