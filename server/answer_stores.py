"""Where several processes keep their answers together."""

from __future__ import annotations

from ..catalog.errors import BadRequest
from ..resolvers.shared_answers import SharedAnswers
from .settings import ServerSettings


def shared_answers(settings: ServerSettings) -> SharedAnswers | None:
    """The answers at the address of the settings; None unless there is one.  Raises ``BadRequest``."""
    if not settings.cache_store:
        return None
    try:
        from .redis_answers import open_redis_answers
    except ModuleNotFoundError:  # an extra, so it cannot be imported above
        raise BadRequest("FANIN_CACHE_STORE needs a client: install fanin[redis]") from None
    return open_redis_answers(settings.cache_store)
