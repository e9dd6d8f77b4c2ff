"""One exception tree, each error with its cause and its remedy.

RewatchError                   says what, where and the remedy
├── InputError                 the user's input is wrong: a path, a setting, a corpus     -> exit code 2
│   ├── MissingObject          one file or object is not there, or may not be read
│   ├── ApiAway                what starts and follows runs on a cluster does not answer
│   ├── StoreUnavailable       the store of files and objects does not answer
│   └── SettingsError          an unknown or invalid setting
├── RecordError                one record cannot be processed: it is quarantined, the run goes on
│   ├── VideoError             unreadable, unsafe or over a limit
│   └── ReplyError             a teacher's reply stayed invalid, or it refuses this request for good
├── TeacherUnavailable         an endpoint is down: the stage stops, everything paid for is kept
├── BudgetExceeded             the token or money budget is spent: the stage stops
├── TooManyFailures            the share of failed records passed its limit: the stage stops
├── DiskFull                   there is no room to write: the task stops, what was written is kept
├── DatasetError               a dataset is missing, incomplete or of another schema
├── GateFailed                 a quality gate refused the data
└── TrainingError              sampler and trainer disagree, a loss is not finite, a checkpoint is foreign
"""

from __future__ import annotations

import errno

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class RewatchError(Exception):
    """Base of every error raised on purpose.

    Args:
        what: what went wrong and where, one sentence.
        remedy: what the reader can do about it, one sentence.
    """

    exit_code = 1
    may_pass = False
    """Whether the same task, tried again on what it is given, may succeed."""

    def __init__(self, what: str, remedy: str = "") -> None:
        # A file's name may hold bytes that are no text; what says so goes into rows, which hold text only.
        self.what, self.remedy = (words.encode("utf-8", "backslashreplace").decode() for words in (what, remedy))
        super().__init__(self.what)

    def __str__(self) -> str:
        return f"{self.what} {self.remedy}".strip()


class InputError(RewatchError):
    """The user's input is wrong."""

    exit_code = 2


class MissingObject(InputError):
    """One file or object is not there, or may not be read: where it is one record of many, that record's failure."""


class ApiAway(InputError):
    """What starts and follows runs on a cluster does not answer at the address that was given."""


class StoreUnavailable(InputError):
    """A store does not answer, or says that it cannot now. Its address may be wrong, too: nobody can tell."""

    may_pass = True


class SettingsError(InputError):
    """A setting is unknown or invalid."""


class RecordError(RewatchError):
    """One record cannot be processed; it goes to quarantine and the run goes on."""


class VideoError(RecordError):
    """A video is unreadable, unsafe, or over a limit of pixels, duration or CPU time."""


class ReplyError(RecordError):
    """A teacher's reply stayed invalid after every attempt, or the teacher refuses this very request for good, for its
    size or its content. A request for less may still be answered."""


class TeacherUnavailable(RewatchError):
    """An endpoint does not answer; replies already stored are kept for the next run."""

    exit_code = 2
    may_pass = True


class BudgetExceeded(RewatchError):
    """The budget in tokens or money is spent."""


class TooManyFailures(RewatchError):
    """The share of failed records passed its limit: the corpus or the teacher is not fit for use."""

    exit_code = 2


class DiskFull(RewatchError):
    """There is no room left to write; what was written is kept."""

    exit_code = 2
    may_pass = True

    @classmethod
    def of(cls, place: object, reason: str = "") -> DiskFull:
        """At a place, such as a file or a folder."""
        return cls(
            f"There is no room left to write {place}{f' ({reason})' if reason else ''}.",
            "Free space, or choose another disk with --runs, and run again: what was finished and bought is kept.",
        )


class DatasetError(RewatchError):
    """A dataset is missing, incomplete or of another schema."""


class GateFailed(RewatchError):
    """A quality gate refused the data."""


class TrainingError(RewatchError):
    """Sampler and trainer disagree, a loss is not finite, or a checkpoint is not ours."""


def as_disk_full(error: BaseException, where: object = "") -> DiskFull | None:
    """What a full disk, a spent quota or a file over the shell's limit raises as our own error; None for all else.

    Libraries that write from compiled code hand on the system's words without its number.
    """
    number = getattr(error, "errno", None)
    if number not in NO_ROOM and not any(words in str(error) for words in ("No space left", "quota exceeded")):
        return None
    return DiskFull.of(getattr(error, "filename", None) or where or "a file", str(error))
