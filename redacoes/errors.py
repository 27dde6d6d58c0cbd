"""The one exception that stands for a user's mistake, how it is told, and the help that its messages share."""

import errno
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Any

MEND = "`redacoes verify` tells what is damaged, and the commands that mend it"

MACHINE = {errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM}


class UserError(Exception):
    """A mistake that the user can mend: the message is one sentence that says what is wrong and what to do."""


class FileError(UserError):
    """A file that cannot be read as what it should be.

    Attributes:
        key: What is wrong, by which the page tells it in words of its own.
        values: What the message names.
    """

    def __init__(self, message: str, key: str, **values: Any) -> None:
        """Take the message, its key, and what it names."""
        super().__init__(message)
        self.key, self.values = key, values


@contextmanager
def exit_on_user_error() -> Iterator[None]:
    """End the process with one sentence on stderr if the block fails by what a user can mend.

    That is a UserError (exit status 1), a disk that is full or read-only (1), or Ctrl-C (130). Any other exception is a
    defect of this project and keeps its traceback. That a disk is full, libraries tell in exceptions of their own.
    Where whoever reads the output has had enough, as `head` has, it ends without a word (141, as by SIGPIPE).
    """
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what is still to be flushed
        sys.exit(141)
    except UserError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        print("interrupted; nothing was written", file=sys.stderr)
        sys.exit(130)
    except Exception as error:  # a full disk is told in exceptions of any type; all others are raised again
        if os.strerror(errno.ENOSPC) in str(error):
            sys.exit("error: the disk is full; free some space and run it again")
        if isinstance(error, OSError) and error.errno in MACHINE:
            sys.exit(f"error: {error.filename or 'an output'} cannot be written: {error.strerror}")
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
