"""How a stage script is run: parameters in, one sentence out for a user's mistake."""

import errno
import sys
from collections.abc import Callable

from redacoes import params
from redacoes.errors import UserError

MACHINE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM}


def run(main: Callable[[params.Params], None]) -> None:
    """Validate `params.yaml`, call `main` with it, and exit non-zero with one sentence on stderr if that fails.

    A UserError, or a disk that is full or read-only, is told without a traceback; any other exception is a defect of
    this project and keeps its traceback. Ctrl-C exits with 130.
    """
    try:
        main(params.load("params.yaml"))
    except UserError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        print("interrupted; nothing was written", file=sys.stderr)
        sys.exit(130)
    except OSError as error:
        if error.errno not in MACHINE:
            raise
        sys.exit(f"error: {error.filename or 'an output'} cannot be written: {error.strerror}")


def warn(message: str) -> None:
    """Print one line that begins with ``warning:`` on stderr."""
    print(f"warning: {message}", file=sys.stderr)
