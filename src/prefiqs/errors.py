"""Every error a user can meet. A message says what was expected, what came instead, and what to do."""


class PrefiqsError(Exception):
    """Base class of all errors that this package raises on purpose."""


class AssetError(PrefiqsError):
    """A weight file or data set is missing, cannot be fetched, or does not have the published checksum."""


class ConfigError(PrefiqsError):
    """`params.yaml` contains a value that cannot be used."""


class InputError(PrefiqsError, ValueError):
    """An argument has the wrong shape, type, range or name."""


class NoFaceFound(PrefiqsError):
    """The face detector found no face in an image."""
