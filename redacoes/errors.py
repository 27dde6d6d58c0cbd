"""Errors that a user can correct: the exceptions, how they end a process, and helpers for their messages."""

import errno
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Any

MEND = "`redacoes verify` tells what is damaged, and the commands that repair it"

MACHINE = {errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM}


class UserError(Exception):
    """A mistake that the user can correct. The message is one sentence: what is wrong and what to do."""


class FileError(UserError):
    """A file that cannot be read in its expected format.

    Attributes:
        key: The kind of fault. The page has a text of its own for each.
        values: The names and numbers in the message.
    """

    def __init__(self, message: str, key: str, **values: Any) -> None:
        """Keep the message, its key and its values."""
        super().__init__(message)
        self.key, self.values = key, values


@contextmanager
def exit_on_user_error() -> Iterator[None]:
    """End the process with one sentence on stderr if the block fails for a reason that a user can correct.

    These are a UserError (exit status 1), a full or read-only disk (1), and Ctrl-C (130). Any other exception is a
    defect of this project and keeps its traceback. If the reader of the output has closed the pipe, as `head` does,
    the process ends silently (141, as by SIGPIPE).
    """
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the interpreter flushes again at exit
        sys.exit(141)
    except UserError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        print("interrupted; nothing was written", file=sys.stderr)
        sys.exit(130)
    except Exception as error:  # libraries report a full disk by exceptions of any type; others are raised again
        if os.strerror(errno.ENOSPC) in str(error):
            sys.exit("error: the disk is full; free some space and run it again")
        if isinstance(error, OSError) and error.errno in MACHINE:
            sys.exit(f"error: {error.filename or 'an output'} cannot be read or written: {error.strerror}")
        raise


def warn(message: str) -> None:
    """Print one line that begins with ``warning:`` on stderr."""
    print(f"warning: {message}", file=sys.stderr)


def first_line(error: BaseException) -> str:
    """Return the first line of an exception's message, or its type where it has none."""
    return next(iter(str(error).splitlines()), type(error).__name__)


def nearest(name: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the known name nearest to `name`, or an empty string."""
    matches = get_close_matches(name, list(known), n=1)
    return f"; did you mean {matches[0]!r}?" if matches else ""
