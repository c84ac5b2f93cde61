"""A page has one name, however its address is spelled, and what is no address of the web has none."""

import random
from itertools import islice, permutations
from urllib.parse import quote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_cases import examples

from ulmkit.formats.canonical import LONGEST_URL, canonical, page_id, percent_encoded

ONE_PAGE = [
    ("HTTP://Example.ORG", "http://example.org/"),
    ("http://example.org.", "http://example.org/"),
    ("http://example.org:80/", "http://example.org/"),
    ("https://example.org:0443/", "https://example.org/"),
    ("https://example.org:80/", "https://example.org:80/"),
    ("http://example.org:/", "http://example.org/"),
    ("http://example.org/#top", "http://example.org/"),
    ("http://example.org#top?x", "http://example.org/"),
    ("http://example.org?", "http://example.org/"),
    ("http://example.org?b&a", "http://example.org/?a&b"),
    ("  http://example.org/a\n", "http://example.org/a"),
    ("http://exam\nple.org/a\tb", "http://example.org/ab"),
    ("http://example.org/a/./b/../c", "http://example.org/a/c"),
    ("http://example.org/../../a/.", "http://example.org/a/"),
    ("http://example.org/a/%2e%2E/b/..", "http://example.org/"),
    ("http://example.org/.well-known/x", "http://example.org/.well-known/x"),
    ("http://example.org/a//b", "http://example.org/a//b"),
    ("http://example.org/a\\b", "http://example.org/a/b"),
    ("http://example.org/%7euser/%41", "http://example.org/~user/A"),
    ("http://example.org/A_%28b%29%21", "http://example.org/A_(b)!"),
    ("http://example.org/a%2fb", "http://example.org/a%2Fb"),
    ("http://example.org/100%", "http://example.org/100%25"),
    ("http://example.org/a b[c]", "http://example.org/a%20b%5Bc%5D"),
    ("http://example.org/x?q=a b&p=%zz", "http://example.org/x?p=%25zz&q=a%20b"),
    ("http://example.org/x?a=2&a=1&&", "http://example.org/x?a=2&a=1"),
    ("http://example.org/x?utm_source=a&UTM_Medium=b&fbclid=c&gclid=d&id=7", "http://example.org/x?id=7"),
    ("http://example.org/x?%75tm_source=a", "http://example.org/x"),
    ("http://example.org/x?PHPSESSID=1&jsessionid=2&ASPSESSIONIDABC=3", "http://example.org/x"),
    ("http://example.org/x;jsessionid=0A1B.node2?y=1", "http://example.org/x?y=1"),
    ("http://example.org/x;%6Asessionid=0A1B;v=1/y", "http://example.org/x;v=1/y"),
    ("http://example.org/(S(lit3py55t21z5v55vlm25s55))/a.aspx", "http://example.org/a.aspx"),
    ("http://example.org/x?sid=0123456789abcdef0123", "http://example.org/x"),
    ("http://example.org/article?sid=1234", "http://example.org/article?sid=1234"),  # an article's own number
    ("http://example.org/x?s=0123456789abcdef0123", "http://example.org/x?s=0123456789abcdef0123"),  # a search
    ("http://BÜCHER.example/", "http://xn--bcher-kva.example/"),
    ("http://faß.example/", "http://xn--fa-hia.example/"),
    ("http://نامه\u200cای.com/", "http://xn--mgba3gch31f060k.com/"),  # RFC 5892: the joiner is part of the name
    ("http://example。org/", "http://example.org/"),
    ("http://①②⑦.⓪.⓪.①/", "http://127.0.0.1/"),
    ("http://[2606:4700:0:0::1111]:80/", "http://[2606:4700::1111]/"),
    ("http://[::FFFF:8.8.8.8]/", "http://[::ffff:808:808]/"),
    ("http://my_blog.example.org/", "http://my_blog.example.org/"),
]


@pytest.mark.parametrize(("url", "name"), ONE_PAGE)
def test_a_page_has_one_name(url: str, name: str) -> None:
    assert canonical(url) == name
    assert canonical(name) == name


def test_letters_are_equal_raw_encoded_and_as_bytes() -> None:
    path = "/خبر/می\u200cروم"
    encoded = quote(path)
    spellings = [path, encoded, encoded.lower(), path.encode().decode("ascii", "surrogateescape")]
    assert {canonical(f"https://example.org{each}?q={each}") for each in spellings} == {
        f"https://example.org{encoded}?q={encoded}"
    }


def test_ten_thousand_orders_of_a_query_are_one_page() -> None:
    parts = [f"p{number}={number}" for number in range(8)]
    orders = islice(permutations(parts), 10_000)
    assert len({canonical(f"https://example.org/list?{'&'.join(order)}") for order in orders}) == 1


def test_a_session_in_every_link_is_one_page() -> None:
    dice = random.Random(54)
    ids = [f"{dice.getrandbits(128):032x}" for _ in range(100)]
    for spelling in ("/a;jsessionid={}", "/a?sid={}", "/a?PHPSESSID={}", "/a?session_id={}&utm_id=1"):
        assert {canonical(f"http://example.org{spelling.format(each)}") for each in ids} == {"http://example.org/a"}


NO_ADDRESS = [
    "",
    "example.org",
    "//example.org/",
    "/path",
    "ftp://example.org/",
    "file:///etc/passwd",
    "data:text/plain,x",
    "javascript:alert(1)",
    "jar:http://example.org/x!/y",
    "http:example.org",
    "http:/example.org",
    "http:\\\\example.org",
    "http:///example.org",
    "http://",
    "http://?x",
    "http://.",
    "http://a..b/",
    "http://-a.org/",
    "http://user@example.org/",
    "http://user:secret@example.org/",
    "http://@example.org/",
    "http://93.184.216.34\\@127.0.0.1/",
    "http://127.0.0.1%00.example.org/",
    "http://exam%70le.org/",
    "http://exa mple.org/",
    "http://example.org:0/",
    "http://example.org:65536/",
    "http://example.org:99999999999/",
    "http://example.org:8a/",
    "http://example.org:８０/",
    "http://127.1/",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0177.0.0.1/",
    "http://1.2.3.256/",
    "http://1.2.3.4.5/",
    "http://[fe80::1%25eth0]/",
    "http://[fe80::1%eth0]/",
    "http://[127.0.0.1]/",
    "http://[::1/",
    "http://::1/",
    f"http://{'a' * 64}.org/",
    f"http://{'a.' * 127}org/",
    "http://xn--\u0627/",
    "http://\ud800.org/",
    "http://example.org/\ud800",
    "http://example.org/" + "a" * LONGEST_URL,
    "http://example.org/" + "ا" * 400,  # six letters each once it is encoded
]


@pytest.mark.parametrize("url", NO_ADDRESS, ids=lambda url: ascii(url[:40]))
def test_what_is_no_address_of_the_web_has_no_name(url: str) -> None:
    with pytest.raises(ValueError):
        canonical(url)


ANY_TEXT = st.text(
    st.one_of(st.sampled_from("/.;&=?%#:@\\[]()+ \n\taA1eEfF7dD8~_-éا\u200c\udcff"), st.characters()), max_size=60
)
MEANT = st.sampled_from(
    ["%2e", "..", "/./", ";jsessionid=1", "?", "&utm_x=1", "sid=0123456789abcdef", "%", "%4", "%41", "(S(1))", "/"]
)
URLS = st.builds(
    "{}://{}{}{}".format,
    st.sampled_from(["http", "HTTPS"]),
    st.sampled_from(["example.org", "Bücher.EE:80", "1.2.3.4:443", "[::1]", "a_b.c."]),
    st.sampled_from(["", "/", "?"]),
    st.lists(st.one_of(MEANT, ANY_TEXT), max_size=8).map("".join),
)


@given(st.one_of(URLS, ANY_TEXT))
@examples(4000)
def test_the_name_of_a_name_is_itself(url: str) -> None:
    try:
        name = canonical(url)
    except ValueError:
        return
    assert canonical(name) == name
    assert name.isascii()
    assert name.isprintable()
    parts = urlsplit(name)
    assert parts.scheme in ("http", "https")
    assert "@" not in parts.netloc
    assert parts.path.startswith("/")
    assert not {".", ".."} & set(parts.path.split("/"))


@given(st.binary(max_size=40))
@examples(1000)
def test_any_bytes_of_a_path_are_equal_to_their_encoding(data: bytes) -> None:
    raw = data.translate(None, b"\t\r\n\\#?%/.:@$&+,;=") + b"x"
    url = f"http://example.org/{raw.decode('utf-8', 'surrogateescape')}"
    assert canonical(url) == canonical("http://example.org/" + quote(raw))


@given(ANY_TEXT)
@examples(1000)
def test_one_encoding_whether_or_not_some_is_there_already(text: str) -> None:
    try:
        one = percent_encoded(text)
    except UnicodeEncodeError:
        return
    assert percent_encoded(one) == one
    assert percent_encoded(f"%C3{text}") == f"%C3{one}"


def test_a_document_is_called_alike_in_every_crawl() -> None:
    assert page_id("news", "http://EXAMPLE.org/a?utm_source=rss") == page_id("news", "http://example.org:80/a#b")
    assert page_id("news", "http://example.org/a") == "news/278ac3621df735e94365120983ccf801"
