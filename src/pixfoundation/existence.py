"""Whether a path is there, asked of paths that data or a command line names.

The methods of `pathlib` raise an `OSError` for a path that the system refuses to look up, such as
one with a name of 300 characters. These functions of `os.path` say that it is not there, so that
the reader's own message follows. Paths that the package makes itself need none of this.
"""

from os.path import exists, isdir, isfile

__all__ = ["exists", "isdir", "isfile"]
