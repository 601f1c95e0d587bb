"""The driver's errors are of two kinds, told apart here: the database is away, or we are wrong."""

from collections.abc import Sequence
from typing import Any

from pymongo.collection import Collection
from pymongo.errors import (
    BulkWriteError,
    ConnectionFailure,
    CursorNotFound,
    OperationFailure,
    PyMongoError,
    WriteConcernError,
)

from shared.errors import DatabaseUnavailable

DatabaseError = PyMongoError

DUPLICATE_KEY = 11000
# What members and mongos answer while there is no primary, while one stops or steps down, while a
# shard is moved or cannot be reached, and when a call was interrupted or took too long.
AWAY_CODES = frozenset(
    {
        6,  # HostUnreachable
        7,  # HostNotFound
        24,  # LockTimeout
        46,  # LockBusy
        50,  # MaxTimeMSExpired
        63,  # StaleShardVersion
        64,  # WriteConcernTimeout
        70,  # ShardNotFound
        89,  # NetworkTimeout
        91,  # ShutdownInProgress
        112,  # WriteConflict
        117,  # ConflictingOperationInProgress
        133,  # FailedToSatisfyReadPreference
        134,  # ReadConcernMajorityNotAvailableYet
        150,  # StaleEpoch
        175,  # QueryPlanKilled
        189,  # PrimarySteppedDown
        202,  # NetworkInterfaceExceededTimeLimit
        237,  # CursorKilled
        249,  # StaleDbVersion
        262,  # ExceededTimeLimit
        314,  # ObjectIsBusy
        318,  # NoProgressMade
        384,  # ConnectionPoolExpired
        402,  # ResourceExhausted
        462,  # IngressRequestRateLimitExceeded
        9001,  # SocketException
        10058,  # NotPrimary, of old servers
        10107,  # NotWritablePrimary
        11600,  # InterruptedAtShutdown
        11601,  # Interrupted
        11602,  # InterruptedDueToReplStateChange
        13388,  # StaleConfig
        13435,  # NotPrimaryNoSecondaryOk
        13436,  # NotPrimaryOrSecondary
    }
)
OUT_OF_DISK_SPACE = 14031
# The server answers, and fails by itself: InternalError, UnknownError, OutOfDiskSpace. The embedded
# server says the first of these to everything once it could not write its log.
FAILING_CODES = frozenset({1, 8, OUT_OF_DISK_SPACE})
REFUSAL_CODES = frozenset({13, 18})  # Unauthorized, AuthenticationFailed
AWAY_LABELS = ("RetryableWriteError", "TransientTransactionError", "SystemOverloadedError")


def is_away(error: BaseException) -> bool:
    """Return whether the same call may succeed later; any other driver error is a fault of ours.

    A write whose write concern was not met belongs here: it does not count as written.
    """
    if isinstance(error, BulkWriteError):
        return _is_bulk_away(error)
    if isinstance(error, OperationFailure) and _is_away_code(error.code):
        return True
    away = (DatabaseUnavailable, ConnectionFailure, WriteConcernError, CursorNotFound)
    if isinstance(error, away):
        return True
    return isinstance(error, PyMongoError) and (error.timeout or _has_away_label(error))


def is_refusal(error: BaseException) -> bool:
    """Return whether the server does not let this user in: no password, or a wrong one."""
    return isinstance(error, OperationFailure) and error.code in REFUSAL_CODES


def is_failing(error: BaseException) -> bool:
    """Return whether the server answered that something inside itself failed."""
    return isinstance(error, OperationFailure) and error.code in FAILING_CODES


def is_disk_full(error: BaseException) -> bool:
    """Return whether the server answered that its disk is full."""
    return isinstance(error, OperationFailure) and error.code == OUT_OF_DISK_SPACE


def is_slow(error: BaseException) -> bool:
    """Return whether a call did not end in its time, which says nothing about other calls."""
    return isinstance(error, PyMongoError) and error.timeout


def insert_new(collection: Collection[dict[str, Any]], documents: Sequence[dict[str, Any]]) -> int:
    """Insert the documents whose ids do not exist yet; return how many those were."""
    return len(documents) - len(insert_or_skip(collection, documents))


def insert_or_skip(
    collection: Collection[dict[str, Any]], documents: Sequence[dict[str, Any]]
) -> list[int]:
    """Insert the documents whose ids do not exist yet; return the places of the others."""
    if not documents:
        return []
    try:
        collection.insert_many(documents, ordered=False)
    except BulkWriteError as error:
        duplicates = _codes(error)
        # With them the server may report that the write concern of the others was not met.
        if error.details["writeConcernErrors"] or set(duplicates) != {DUPLICATE_KEY}:
            raise
        return [write_error["index"] for write_error in error.details["writeErrors"]]
    return []


def _is_bulk_away(error: BulkWriteError) -> bool:
    unexplained = {code for code in _codes(error) if not _is_away_code(code)}
    if error.details["writeConcernErrors"]:
        return unexplained <= {DUPLICATE_KEY}
    return not unexplained


def _codes(error: BulkWriteError) -> list[int]:
    return [write_error["code"] for write_error in error.details["writeErrors"]]


def _is_away_code(code: int | None) -> bool:
    return code in AWAY_CODES or code in FAILING_CODES


def _has_away_label(error: PyMongoError) -> bool:
    return any(error.has_error_label(label) for label in AWAY_LABELS)
