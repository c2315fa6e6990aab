"""Exit codes, and the one exception that the command line turns into one line."""

EXIT_DONE, EXIT_FAILED, EXIT_USAGE, EXIT_INTERRUPTED = 0, 1, 2, 130


class UsageError(Exception):
    """Something the user can put right: the message is one line that says what and how."""


def one_line(error, most=300):
    """The message of an exception as one line that is not too long."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= most else text[: most - 3] + "..."


def unknown_name(what, name, known):
    """UsageError for a name that is not among the known ones; suggests the nearest."""
    from difflib import get_close_matches

    known = [str(item) for item in known]
    near = get_close_matches(name, known, n=1)
    if near:
        return UsageError(f"no {what} {name!r}: did you mean {near[0]!r}?")
    shown = ", ".join(known[:20]) + (", ..." if len(known) > 20 else "")
    return UsageError(f"no {what} {name!r}: there are {shown}")
