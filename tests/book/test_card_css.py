from rethink.book import card_css

CSS = """
.there > p:hover, .gone p { color: red; background: url("x.png") }
.gone { color: blue }
p:is(.a, .b):not(.gone), [data-x="a{b,c"] { content: "};" }
@media print { .gone { a: b } @page { margin: 1cm } p { c: d } }
@media screen { .gone { a: b } }
@font-face { src: url(x.woff2) }
@charset "utf-8";
p { background: url(data:image/png;base64,AA==) }
"""


def test_of_a_style_sheet_stays_what_can_concern_the_page():
    needed = card_css.needed(CSS, {"p", ".there", "html"})
    assert needed.splitlines() == [
        ".there > p:hover{color: red; background: none}",
        'p:is(.a, .b):not(.gone),[data-x="a{b,c"]{content: "};"}',
        "@media print{@page{margin: 1cm}p{c: d}",
        "}",
        "p{background: url(data:image/png;base64,AA==)}",
    ]


def test_what_is_imported_and_comments(tmp_path):
    (tmp_path / "styles").mkdir()
    (tmp_path / "basic.css").write_text('p { content: "/* no comment */" } /* it\'s one */')
    (tmp_path / "styles" / "theme.css").write_text('@import "../basic.css";\nb { x: y }')
    css = card_css.whole(tmp_path / "styles" / "theme.css")
    assert "it's one" not in css
    assert card_css.needed(css, {"p", "b"}) == 'p{content: "/* no comment */"}\nb{x: y}\n'
