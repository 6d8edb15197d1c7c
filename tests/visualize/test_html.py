import base64
import re
from html.parser import HTMLParser

import cv2
import numpy as np
import pytest
from matplotlib.figure import Figure

from clmot.errors import UserError
from clmot.visualize import html

VOID = {"meta", "img", "br"}


class Page(HTMLParser):
    """Checks that tags are closed in order, and gathers texts and addresses."""

    def __init__(self, text):
        super().__init__()
        self.open, self.texts, self.addresses = [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.addresses += [value for name, value in attributes if name in ("src", "href")]
        self.open += [tag] if tag not in VOID else []

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def build():
    figure = Figure(figsize=(2, 2))
    figure.add_subplot().plot([1, 2])
    image = np.full((20, 30, 3), (250, 10, 20), np.uint8)
    return html.page(
        "A <page>",
        "a paragraph & more",
        html.section(
            html.inline(html.badge("error", "bad"), ": <b>"),
            html.table(["", "n"], [["<i>", "3"]]),
            html.listing(["a<b.jpg"]),
            html.faint("faint <"),
            html.gallery([html.picture(image, 'caption "<x>"')]),
            html.plot(figure, "a plot"),
            level=3,
        ),
    )


def test_a_page_is_well_formed_and_self_contained():
    text = build()
    found = Page(text)
    assert {"A <page>", "a paragraph & more", "<i>", "a<b.jpg", "faint <", ": <b>", 'caption "<x>"'} <= set(found.texts)
    assert len(found.addresses) == 2
    assert all(address.startswith("data:image/") for address in found.addresses)
    assert not re.search(r"https?://(?!www\.w3\.org)", re.sub(r"base64,[^\"]*", "", text))
    assert "prefers-color-scheme: dark" in text


def test_pictures_are_what_was_given():
    jpeg, svg = (base64.b64decode(address.partition(",")[2]) for address in Page(build()).addresses)
    decoded = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert decoded.shape == (20, 30, 3)
    np.testing.assert_allclose(decoded.reshape(-1, 3).mean(axis=0), [20, 10, 250], atol=6)
    assert b"</svg>" in svg


def test_equal_input_makes_an_equal_page():
    assert build() == build()


def test_write_page(tmp_path):
    html.write_page(html.page("title"), tmp_path / "page.html")
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]
    Page((tmp_path / "page.html").read_text())
    with pytest.raises(UserError, match="cannot write the page"):
        html.write_page(html.page("title"), tmp_path / "no/page.html")
