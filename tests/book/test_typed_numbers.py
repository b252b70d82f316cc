import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from rethink.book.typed_numbers import bare_numbers, words


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("it has 3 seeds", ["3"]),
        ("it gains .895, or 12,345.6, or +0.3 %, or −2 dB", [".895", "12,345.6", "+0.3 %", "−2"]),
        ("between 0.5 and 1.5", ["0.5", "1.5"]),
        ("an interval of [0.1, 0.9]", ["0.1", "0.9"]),
        ("60,001 pictures, 28.5 of them, 10,000,000", ["60,001", "28.5", "10,000,000"]),
        ("99 % of them", ["99 %"]),
        ("| a | 17 |", ["17"]),
        ("12 of 30, 0 of 5", ["12", "30", "0", "5"]),
        ("seeds 0, 35 of which die", ["35"]),
        ("10-20 epochs, 3–5 seeds, 85-90 % right", ["10", "-20", "3", "5", "85", "-90 %"]),
        ("in [12, 30] and 2000 networks in 2,5 hours", ["12", "30", "2000", "2,5"]),
        ("95 % accuracy, 100 %, class 90%, 3×, 1.5e3", ["95 %", "100 %", "90%", "3", "1.5", "3"]),
        ("[a 17](b) **18** {term}`19 networks <network>`", ["17", "18", "19"]),
        (":::{note} Of 23\nIt is 24.\n:::\n", ["23", "24"]),
        ("## 60. seeds, ½ of them, p<0.05>", ["60", "½", "0.05"]),
    ],
)
def test_numbers_that_were_typed_are_found(text, found):
    assert bare_numbers(text) == found


@pytest.mark.parametrize(
    "text",
    [
        "In 2021, Figures 8 and 10, models 3 to 6, Algorithm 1 of edition 2, seed 4",
        "[8, 4, 4] or [8,4,4] or 256-128-128 or 8\u20114\u20114, from 0 to 1",
        "the 95 % interval of 60,000 pictures of 28 by 28 = 784 pixels up to 255",
        "the mean and its 95% t-interval, or an interval of 95%",
        "the measures N1 and N3",
        "{glue:text}`a-2:.3f` and `x = 5` and $2^{10}$ and {cite}`wald1940`",
        "$$\n2^{10}\n$$",
        "[2. Success](02-success) of https://example.org/15 <!-- 17 -->",
        "# 6. Memorization\n\n```python\nx = 17\n```\n\n:::{div} a\n:::\n",
    ],
)
def test_names_and_constants_are_no_results(text):
    assert bare_numbers(text) == []


def test_a_page_says_its_prose_captions_and_descriptions():
    about = {"figure": {"caption": "It rises."}, "image": {"alt": "a line"}}
    cells = [
        new_markdown_cell("prose"),
        new_code_cell("print(17)", metadata={"mystnb": about}),
        new_code_cell("x = 18"),
    ]
    assert words(new_notebook(cells=cells)) == "prose\n\nIt rises.\n\na line"
