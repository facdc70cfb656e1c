"""Entity tags: what a client has already need not be sent again.  RFC 9110 §8.8.3, §13.1.2."""

from __future__ import annotations

import re
from hashlib import sha256
from importlib.metadata import version
from typing import Any

from ..catalog.accounts import Account

_TAG = re.compile(r'(?:W/)?("[!#-~\x80-\xff]*")')


def etag_of(body: bytes, media_type: str) -> str:
    """A strong tag: equal only for equal bytes of one type."""
    return f'"{sha256(media_type.encode() + body).hexdigest()[:32]}"'


def question_tag(question: Any, account: Account) -> str:
    """A tag for whatever is answered to a question about an account as it is.

    Answers that tell the time differ in that alone, so it is told to clients as a weak one.
    """
    return f'"{sha256(repr((_VERSION, question, account)).encode()).hexdigest()[:32]}"'


_VERSION = version("fanin")  # another may tell the same numbers in another form


def encoded_tag(etag: str, encoding: str) -> str:
    """The tag of the same answer in a content encoding; other bytes need another strong tag."""
    return f'{etag[:-1]}-{encoding}"'


def tag_held(if_none_match: str, etag: str) -> str | None:
    """The tag of what the client holds of this answer, in whatever encoding; None when it holds something else."""
    if if_none_match.strip() == "*":
        return etag
    ours = (etag, encoded_tag(etag, "gzip"))
    return next((tag for tag in _TAG.findall(if_none_match) if tag in ours), None)
