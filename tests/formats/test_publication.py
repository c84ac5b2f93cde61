"""A page is as old as it says, where it says it in a form that cannot be misread."""

from datetime import UTC, datetime

import pytest

from ulmkit.formats.publication import publication_of

FETCHED = datetime(2026, 12, 2, tzinfo=UTC)
LINKED = '<script type="application/ld+json">{"@type": "NewsArticle", "datePublished": "2023-01-02T03:04:05Z"}</script>'


@pytest.mark.parametrize(
    ("page", "day"),
    [
        ('<meta property="article:published_time" content="2024-03-20T23:00:00-02:00">', "2024-03-21"),
        ("<META content='2024-03-20' name='DC.date.issued' />", "2024-03-20"),
        ('<span itemprop="x"><meta itemprop="datePublished" content="2022-05-06"></span>', "2022-05-06"),
        (f'<meta name="date" content="2020-01-01">{LINKED}', "2023-01-02"),
        (f'{LINKED}<meta property="article:published_time" content="2022-02-02">', "2022-02-02"),
        ('<meta name="citation_publication_date" content="2021/3/4">', "2021-03-04"),
        ('<meta name="pubdate" content="Wed, 06 May 2020 10:00:00 GMT">', "2020-05-06"),
        ('<meta name="date" content="1403/01/01"><meta name="pubdate" content="2024-03-20">', "2024-03-20"),
        ('<meta property="article:published_time" content="2099-01-01">', ""),  # not yet
        ('<meta property="article:published_time" content="03/04/2021">', ""),  # of March, or of April
        ('<meta name="date" content="1399-12-14">', ""),  # another calendar
        ('<meta property="article:modified_time" content="2024-01-01">', ""),
        ('<meta name="date" content="', ""),
        ("<p>2024-01-01</p>", ""),
        ("", ""),
    ],
)
def test_the_day_is_the_one_that_is_said_to_be_of_publication(page: str, day: str) -> None:
    found = publication_of(f"<html><head>{page}</head></html>", FETCHED)
    assert (found.date().isoformat() if found else "") == day


@pytest.mark.parametrize("page", ["<meta " * 200_000, '<meta name="' * 100_000, "<meta x=" + "y" * 1_000_000])
def test_no_page_takes_long_or_raises(page: str) -> None:
    assert publication_of(page, FETCHED) is None
