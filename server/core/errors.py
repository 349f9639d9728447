"""Every error that Viva raises on purpose, as one tree.

    VivaError
    └── RefusedError               a command was refused; nothing has changed
        ├── EditError              a change set that is malformed or does not fit its document
        └── MalformedFrameError    a frame that is not one of the protocol's messages

Parts of the server hang their own errors under `VivaError`. A message says what was found, what
was wanted and how to mend it.
"""


class VivaError(Exception):
    """The root: whatever the product itself refuses."""


class RefusedError(VivaError):
    """A command was refused. `code` is for programs, the message for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class EditError(RefusedError):
    """A change set was refused; the document stays as it was.

    `code` is one of `bad_changes`, `wrong_length`, `split_surrogate` and `document_too_long`.
    """


class MalformedFrameError(RefusedError):
    """A frame that cannot be read as one of the protocol's messages."""

    def __init__(self, message: str) -> None:
        super().__init__("malformed", message)
