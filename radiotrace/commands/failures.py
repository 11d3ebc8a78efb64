"""What the system refuses, as a person is told of it."""


def of_files(error: OSError) -> str:
    """A full disk, a folder that is not permitted, a file in the place of a folder: in a line."""
    where = "" if error.filename is None else f": {error.filename}"
    return f"{error.strerror or error}{where}"
