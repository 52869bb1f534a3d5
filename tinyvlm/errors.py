"""The one exception for what a user handed us: a file, an argument, a data set (layer 0)."""


class InputError(ValueError):
    """Something from outside can't be used.

    The message is one line: it names the file or the argument and says what to do next. The
    command line prints it and exits with code 2.
    """
