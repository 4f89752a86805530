"""Every error that facenn raises on purpose: one line that says what was expected, what came, and where.

    FacennError
    ├── SchemaError (ValueError)       parameters or a schema that do not fit together
    ├── ConfigError (ValueError)       params.yaml or an option that is unknown or out of bounds
    ├── FormatError (ValueError)       a file whose bytes are not what its format says
    │   └── CheckpointError            a network file that does not fit this code or this schema
    ├── MissingFileError (FileNotFoundError)  a file that should be there
    ├── PhotoError (ValueError)        a photo that cannot be fitted, with the reason
    ├── ValidationError (ValueError)   renders that fail their expectations
    ├── TrainingError (ArithmeticError)  a loss that is no longer a number, with the step
    ├── ProgramError (RuntimeError)    a server or another program that ended by itself or does not answer
    ├── StageError (RuntimeError)      a stage of the pipeline that failed, with the last line that it printed
    │   └── KilledError                a stage that was killed from outside
    └── BatchError (RuntimeError)      batches of photos that failed for another reason than a photo

The command line prints an error as one line and exits with 2; with 1 after a ProgramError.
"""


class FacennError(Exception):
    """Something the user can mend, said in one line."""


class SchemaError(FacennError, ValueError):
    """Parameters or a schema that do not fit together."""


class ConfigError(FacennError, ValueError):
    """An option that is unknown, of the wrong type or out of bounds."""


class FormatError(FacennError, ValueError):
    """A file whose bytes are not what its format says."""


class CheckpointError(FormatError):
    """A network file that does not fit this code or this schema."""


class MissingFileError(FacennError, FileNotFoundError):
    """A file that should be there."""


class PhotoError(FacennError, ValueError):
    """A photo that cannot be fitted."""


class ValidationError(FacennError, ValueError):
    """Renders that fail their expectations."""


class TrainingError(FacennError, ArithmeticError):
    """A training step whose loss is no longer a number."""


class ProgramError(FacennError, RuntimeError):
    """A program beside this one that ended by itself, or does not answer."""


class StageError(FacennError, RuntimeError):
    """A stage that failed, with the last line that it printed and the stages that did not run because of it."""


class KilledError(StageError):
    """A stage that did not fail by itself: it, or a process of it, was killed from outside."""


class BatchError(FacennError, RuntimeError):
    """Batches that failed for another reason than a photo; the others are done."""
