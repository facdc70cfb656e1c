"""The picture of growth that the benchmarks draw."""

from __future__ import annotations

from xml.etree import ElementTree

from fanin.benchmarks.pictures import HEIGHT, LEFT, RIGHT, TOP, WIDTH, growth_picture

SVG = "{http://www.w3.org/2000/svg}"


def read(picture: str) -> ElementTree.Element:
    return ElementTree.fromstring(picture)  # noqa: S314  it is our own


def test_a_tenfold_stands_as_far_from_the_last_wherever_it_is() -> None:
    drawn = read(growth_picture("<Sixteen>", {"a & b": [(1e6, 1.0), (1e7, 10.0), (1e8, 100.0)]}))

    (line,) = drawn.iter(f"{SVG}polyline")
    points = [tuple(map(float, point.split(","))) for point in line.attrib["points"].split()]
    assert points[0] == (LEFT, HEIGHT - 50)
    assert points[-1] == (WIDTH - RIGHT, TOP)
    assert points[1] == ((points[0][0] + points[2][0]) / 2, (points[0][1] + points[2][1]) / 2)
    texts = [text.text for text in drawn.iter(f"{SVG}text")]
    assert texts[0] == "<Sixteen>"
    assert texts[-1] == "a & b"
    assert {"1,000,000", "10,000,000", "100,000,000", "1 ms", "10 ms", "100 ms"} <= set(texts)


def test_a_line_that_does_not_grow_can_be_drawn_too() -> None:
    drawn = read(growth_picture("flat", {"flat": [(1e6, 1.0), (1e6, 1.0)]}))

    assert len(list(drawn.iter(f"{SVG}circle"))) == 2
