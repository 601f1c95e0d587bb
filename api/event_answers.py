"""What the answers about events hold: documentation for /openapi.json only."""

from marshmallow import fields

from api.http.answer_fields import AnswerSchema, Word, moment, text, things
from api.module_answers import HASH
from shared.domain.event import SubjectKind
from shared.domain.event_words import REASONS, WORDS


class SubjectAnswer(AnswerSchema):
    """What an event is about."""

    kind = Word(SubjectKind, example=SubjectKind.MODULE)
    id = text(HASH, "A module's hash, a workflow's number ...")


class EventAnswer(AnswerSchema):
    """One recorded change of something's state."""

    event_id = text(f"module:{HASH}:3:offline")
    at = moment()
    subject = fields.Nested(SubjectAnswer)
    name = text("load-72h", "Of the module or workflow, if it is known.", allow_none=True)
    what = text("offline", f"One of: {', '.join(WORDS)}.")
    reason = text("bye", f"One of: {', '.join(REASONS)}.", allow_none=True)
    actor = text("module", "user:NAME, module, platform, or anonymous (over HTTP).")
    detail = things({})
