"""What can go wrong with models and vector indexes. Each message says what was wrong and what to do.

EmbeddingError
├── ModelNotFound    no model at the folder, or the Hub cannot be reached
├── ModelDamaged     the model's files are not the ones expected
├── ConversionError  the model cannot be converted (it then runs unconverted, only slower)
└── IndexDamaged     an index file is missing, cut short or overwritten: build it again
"""


class EmbeddingError(Exception):
    """Base of every error this package raises on purpose; its text is fit for a user."""


class ModelNotFound(EmbeddingError):
    """The model is not where it was looked for."""


class ModelDamaged(EmbeddingError):
    """The model's files are not the ones expected."""


class ConversionError(EmbeddingError):
    """The model cannot be converted, or the converted one does not agree with the original."""


class IndexDamaged(EmbeddingError):
    """The index file is missing, cut short, or not what was written."""
