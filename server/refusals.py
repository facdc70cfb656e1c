"""What HTTP itself refuses, each under a status of its own.  RFC 9110 §15.5.

StatsError
├── MethodNotAllowed       405
├── UnsupportedMediaType   415
└── HTTPRefusal            a status the vocabulary has no word for
    ├── NotAcceptable      406
    ├── AddressTooLong     414
    └── MisdirectedRequest 421
"""

from __future__ import annotations

from typing import ClassVar

from ..catalog.errors import StatsError


class MethodNotAllowed(StatsError):
    code = "method_not_allowed"


class UnsupportedMediaType(StatsError):
    code = "unsupported_media_type"


class HTTPRefusal(StatsError):
    code = "bad_request"
    status: ClassVar[int] = 400

    @property
    def http_status(self) -> int:
        return self.status


class NotAcceptable(HTTPRefusal):
    """None of the types the client accepts can be given."""

    status = 406


class AddressTooLong(HTTPRefusal):
    code = "payload_too_large"
    status = 414


class MisdirectedRequest(HTTPRefusal):
    """The request was meant for someone else."""

    status = 421
