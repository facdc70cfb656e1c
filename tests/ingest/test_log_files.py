import gzip
from hashlib import sha256

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fanin.ingest.log_files import CHUNK, LogFile, digest_of
from fanin.ingest.refusals import ImportRefused


def test_lines_come_without_their_ends_of_either_kind(tmp_path):
    path = tmp_path / "a.log"
    path.write_bytes(b"one\ntwo\r\n\nfour")

    assert list(LogFile(path).lines()) == ["one", "two", "", "four"]


def test_a_gzip_file_is_known_by_its_content_not_its_name(tmp_path):
    path = tmp_path / "a.log"
    path.write_bytes(gzip.compress(b"one\n") + gzip.compress(b"two\n"))

    assert list(LogFile(path).lines()) == ["one", "two"]


def test_bytes_that_are_no_utf_8_are_replaced(tmp_path):
    path = tmp_path / "a.log"
    path.write_bytes(b"caf\xe9\ncaf\xc3\xa9\n")

    assert list(LogFile(path).lines()) == ["caf\ufffd", "café"]


def test_signs_that_only_look_like_line_ends_do_not_end_a_line(tmp_path):
    path = tmp_path / "a.log"
    path.write_text("a\u2028b\x85c\x0cd\n", encoding="utf-8")

    assert list(LogFile(path).lines()) == ["a\u2028b\x85c\x0cd"]


def test_the_digest_is_of_the_content_whether_compressed_or_not(tmp_path):
    plain, packed = tmp_path / "a.log", tmp_path / "a.gz"
    plain.write_bytes(b"one\n")
    packed.write_bytes(gzip.compress(b"one\n"))
    read = LogFile(packed)
    list(read.lines())

    assert digest_of(plain) == digest_of(packed) == read.digest == sha256(b"one\n").hexdigest()


def test_a_line_longer_than_a_chunk_comes_in_pieces_and_loses_nothing(tmp_path):
    path = tmp_path / "a.log"
    path.write_bytes(b"x" * (3 * CHUNK) + b"\nend\n")

    lines = list(LogFile(path).lines())

    assert "".join(lines) == "x" * (3 * CHUNK) + "end"
    assert lines[-1] == "end"


@given(st.lists(st.text(alphabet="ab\u00e9", max_size=9), min_size=1), st.integers(1, 7))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_lines_do_not_depend_on_where_chunks_end(tmp_path, monkeypatch, texts, chunk):
    monkeypatch.setattr("fanin.ingest.log_files.CHUNK", chunk)
    path = tmp_path / "a.log"
    path.write_text("".join(f"{text[: chunk // 2]}\n" for text in texts), encoding="utf-8")

    assert list(LogFile(path).lines()) == [text[: chunk // 2] for text in texts]


def test_progress_ends_with_the_size_on_disk(tmp_path):
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(b"one\n" * 10))
    seen = []
    list(LogFile(path, seen.append).lines())

    assert seen == [path.stat().st_size]


def test_a_cut_off_gzip_file_is_refused_by_name(tmp_path):
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(b"one two three\n" * 1000)[:-9])

    with pytest.raises(ImportRefused) as refusal:
        digest_of(path)

    assert (
        refusal.value.message == f"'{path}' is a damaged or cut off gzip file; a whole one or plain text is accepted."
    )


def test_a_damaged_gzip_file_is_refused(tmp_path):
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(b"one\n")[:10] + b"\xff" * 20)

    with pytest.raises(ImportRefused, match="damaged or cut off gzip"):
        digest_of(path)


def test_a_missing_file_is_refused_by_name(tmp_path):
    with pytest.raises(ImportRefused) as refusal:
        list(LogFile(tmp_path / "none.log").lines())

    assert refusal.value.message == f"'{tmp_path / 'none.log'}' cannot be read: No such file or directory."


def test_a_directory_is_refused(tmp_path):
    with pytest.raises(ImportRefused, match=r"cannot be read: Is a directory\."):
        digest_of(tmp_path)
