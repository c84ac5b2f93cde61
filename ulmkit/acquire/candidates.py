"""Where may text of a language lie? What three public places answer: Wikimedia, a hub of data sets, Common Crawl.

Each is asked as it describes itself: Wikimedia's list of wikis and what each wiki says of itself
(https://www.mediawiki.org/wiki/API:Sitematrix, API:Siteinfo), the hub's list of data sets by language
(https://huggingface.co/docs/hub/api), and of Common Crawl's columnar index a few row groups, by range. They are
interfaces made for programs, as the hub's files are: robots.txt, which is about pages, is asked of the sites alone.
What an answer says is believed in nothing but what it may say: names are matched, and addresses guarded.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from urllib.parse import quote, urlsplit

from ulmkit.acquire.blocking import Client, FetchError
from ulmkit.acquire.crawl_lists import DATA, listed_paths, newest_crawl
from ulmkit.acquire.kinds.hub import READABLE, as_json
from ulmkit.acquire.ranged import RangedFile
from ulmkit.errors import InputError
from ulmkit.formats.crawl_index import CrawlIndex, Selection
from ulmkit.formats.licences import is_open, spdx_of
from ulmkit.language.sources import CommonCrawlSource, HubSource, SourceSpec, WikimediaSource

WIKIS = "https://meta.wikimedia.org"
ANSWER_BYTES = 1 << 25
MOST_WIKIS = 12
SETS = 8  # of the hub, those that are downloaded most
DOMAINS = 20  # of the index
GROUPS_A_FILE = 2  # row groups that are read of a file of the index
_WIKI = re.compile(r"[a-z][a-z0-9_]{1,60}")
_SET = re.compile(r"[\w-][\w.-]{0,95}/[\w-][\w.-]{0,95}", re.ASCII)
_PROJECTS = {"wiki": "wikipedia", "wikisource": "wikisource", "wikibooks": "wikibooks", "wikiquote": "wikiquote",
             "wikivoyage": "wikivoyage", "wikinews": "wikinews", "wikiversity": "wikiversity"}  # fmt: skip


@dataclass(frozen=True)
class Sought:
    """A language, as others call it: its own code, ISO 639-3, its script (ISO 15924), and its likeliest territory."""

    code: str
    iso639_3: str = ""
    script: str = ""
    territory: str = ""
    members: tuple[str, ...] = ()  # ISO 639-3 of what it is made of, where others call it by that
    wikis: tuple[str, ...] = ()  # what Wikimedia calls it in its addresses
    tongues: tuple[str, ...] = ()  # and what a wiki may say that it is written in

    @property
    def names(self) -> tuple[str, ...]:
        """What folders of data sets are called that hold it."""
        base = self.code.partition("-")[0]
        plain = [name for name in (self.code, base, self.iso639_3, *self.members) if name]
        return tuple(
            dict.fromkeys([*plain, *(f"{name}_{self.script}" for name in plain if self.script and "-" not in name)])
        )

    @property
    def tld(self) -> str:
        """The top-level domain of its territory."""
        return {"GB": "uk"}.get(self.territory, self.territory.lower())


@dataclass(frozen=True)
class SourceCandidate:
    """A source as it could be declared, and what is known of it in a line."""

    spec: SourceSpec
    remark: str


@dataclass
class CandidateList:
    """What a place gave."""

    candidates: list[SourceCandidate] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)  # of parts of it


def wikis_of(client: Client, each: Client, sought: Sought, base: str = WIKIS) -> CandidateList:
    """The wikis in a language that are open, with their articles and the licence that each names itself.

    `client` asks the server that is named, `each` the wikis, wherever the answer says that they are. Raises
    `FetchError` where the list of wikis is not to be had.
    """
    url = f"{base}/w/api.php?action=sitematrix&smtype=language&format=json"
    answer = as_json(client.read(url, ANSWER_BYTES), url)
    groups = answer.get("sitematrix") if isinstance(answer, dict) else None
    if not isinstance(groups, dict):
        raise FetchError(url, "does not list wikis", 200)
    codes = set(sought.wikis)
    sites = [
        site
        for group in groups.values()
        if isinstance(group, dict) and group.get("code") in codes and isinstance(group.get("site"), list)
        for site in group["site"]
        if isinstance(site, dict) and "closed" not in site and site.get("code") in _PROJECTS
    ]
    found = CandidateList()
    for site in sites[:MOST_WIKIS]:
        name, place = site.get("dbname"), site.get("url")
        if not (isinstance(name, str) and _WIKI.fullmatch(name) and isinstance(place, str)):
            continue
        try:
            found.candidates.append(_wiki(each, name, place, _PROJECTS[site["code"]], sought))
        except InputError as error:
            found.problems.append(f"{name}: {error}")
    return found


def _wiki(client: Client, name: str, place: str, project: str, sought: Sought) -> SourceCandidate:
    """What a wiki says of itself. Raises `FetchError`, for one that says it is in another language too."""
    url = f"{place}/w/api.php?action=query&meta=siteinfo&siprop=general%7Cstatistics%7Crightsinfo&format=json"
    said = as_json(client.read(url, ANSWER_BYTES), url)
    query = said.get("query") if isinstance(said, dict) else None
    tongue = _record(query, "general").get("lang")
    if isinstance(tongue, str) and tongue.lower() not in sought.tongues:
        raise FetchError(url, f"says that it is written in {tongue[:20]!r}", 200)
    rights = _record(query, "rightsinfo")
    articles = _record(query, "statistics").get("articles")
    named = f"{rights.get('url', '')} {rights.get('text', '')}"
    licence = spdx_of(named)
    spec = WikimediaSource(
        project,
        "wikipedia",
        name,
        licence or "unknown",
        ground=f"{place}/wiki/Special:Version read {date.today().isoformat()}" if licence else "",
        attribution=f"Authors of {place}",
        enabled=is_open(licence),
    )
    count = f"{articles:,} articles" if type(articles) is int else "articles not counted"
    return SourceCandidate(
        spec, f"{count}; its licence as the wiki names it" if licence else f"{count}; names no licence"
    )


def _record(value: Any, key: str) -> dict[str, Any]:
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}


def sets_of(client: Client, sought: Sought, base: str) -> CandidateList:
    """Data sets of a hub that name the language, those that are downloaded most first. Raises `FetchError`."""
    listed: dict[str, dict[str, Any]] = {}
    found = CandidateList()
    for code in dict.fromkeys(filter(None, (sought.code.partition("-")[0], sought.iso639_3))):
        url = (
            f"{base}/api/datasets?filter=language:{quote(code)}&filter=modality:text"
            f"&sort=downloads&direction=-1&limit={4 * SETS}"
        )
        answer = as_json(client.read(url, ANSWER_BYTES), url)
        if not isinstance(answer, list):
            raise FetchError(url, "is no list of data sets", 200)
        for each in answer:
            if isinstance(each, dict) and isinstance(each.get("id"), str) and _SET.fullmatch(each["id"]):
                listed.setdefault(each["id"], each)
    order = sorted(listed, key=lambda name: (-_number(listed[name].get("downloads")), name))
    for name in order[:SETS]:
        try:
            found.candidates.append(_set(client, base, name, sought))
        except InputError as error:
            found.problems.append(f"{name}: {error}")
    return found


def _number(value: Any) -> int:
    return value if type(value) is int else 0


def _set(client: Client, base: str, name: str, sought: Sought) -> SourceCandidate:
    """A data set as a source: its licence, and which of its files are of the language. Raises `FetchError`."""
    url = f"{base}/api/datasets/{name}"
    told = as_json(client.read(url, ANSWER_BYTES), url)
    told = told if isinstance(told, dict) else {}
    listed = told.get("tags")
    tags = [tag for tag in (listed if isinstance(listed, list) else []) if isinstance(tag, str)]
    licence = next((licence_of_tag(tag) for tag in tags if tag.startswith("license:")), "unknown")
    languages = {tag for tag in tags if tag.startswith("language:")}
    entries = told.get("siblings")
    entries = entries if isinstance(entries, list) else []
    paths = [each["rfilename"] for each in entries if isinstance(each, dict) and isinstance(each.get("rfilename"), str)]
    files = () if len(languages) <= 1 else patterns_for(paths, sought)
    spec = HubSource(
        re.sub(r"[^\w.\-]", "-", name.rpartition("/")[2].lower())[:60],
        "hub",
        name,
        licence,
        ground=f"{base}/datasets/{name} read {date.today().isoformat()}: of the set, its rows may have their own",
        enabled=False,
        files=files,
    )
    sizes = [tag.partition(":")[2] for tag in tags if tag.startswith("size_categories:")]
    remark = f"{_number(told.get('downloads')):,} downloads, {len(languages)} languages"
    remark += f", {sizes[0]} rows" if sizes else ""
    remark += "; asks for consent: HF_TOKEN" if told.get("gated") else ""
    if len(languages) > 1 and not files:
        remark += "; which of its files are of the language does not show: name them in `files`"
    return SourceCandidate(spec, remark)


def licence_of_tag(tag: str) -> str:
    """The licence that a tag of the hub names, as SPDX.

    >>> licence_of_tag("license:cc-by-sa-4.0"), licence_of_tag("license:odc-by"), licence_of_tag("license:other")
    ('CC-BY-SA-4.0', 'ODC-By-1.0', 'unknown')
    """
    name = tag.partition(":")[2].lower()
    known = {"odc-by": "ODC-By-1.0", "odbl": "ODbL-1.0", "pddl": "PDDL-1.0", "apache-2.0": "Apache-2.0", "mit": "MIT",
             "cc0-1.0": "CC0-1.0", "unlicense": "Unlicense"}  # fmt: skip
    return known.get(name) or spdx_of(name.replace("-", " ")) or "unknown"


def patterns_for(paths: Sequence[str], sought: Sought) -> tuple[str, ...]:
    """Patterns of the readable files whose path names the language, as folder or as part of a file's name.

    >>> paths = ["data/xxx_Latn/train/0.parquet", "data/yyy_Latn/train/0.parquet", "README.md", "train-xx.jsonl"]
    >>> patterns_for(paths, Sought("xx", "xxx", "Latn"))
    ('data/xxx_Latn/train/*.parquet', 'train-xx.jsonl')
    """
    endings = tuple(pattern.removeprefix("*") for pattern in READABLE)
    names = {name.lower() for name in sought.names}
    found: dict[str, None] = {}
    for path in paths:
        folders, _, file = path.lower().rpartition("/")
        if not path.endswith(endings):
            continue
        ending = next(ending for ending in endings if path.endswith(ending))
        folder = path[: len(folders) + 1] if folders else ""
        if names & set(folders.split("/")):
            found[f"{folder}*{ending}"] = None
        elif names & {*re.split(r"[^a-z0-9_]+", file), *re.split(r"[^a-z0-9]+", file)}:
            found[path] = None
    return tuple(found)[:DOMAINS]


@dataclass
class Sample:
    """What was counted in a sample of an index, and what that cost."""

    crawl: str
    files: int = 0
    requests: int = 0
    bytes: int = 0
    pages: Counter[str] = field(default_factory=Counter)  # in the language, by registered domain
    every: Counter[str] = field(default_factory=Counter)  # of those domains, in any language
    problems: list[str] = field(default_factory=list)

    @property
    def by_tld(self) -> Counter[str]:
        """Pages in the language by top-level domain."""
        found: Counter[str] = Counter()
        for domain, count in self.pages.items():
            found[domain.rpartition(".")[2]] += count
        return found

    def to_json(self) -> dict[str, Any]:
        return {
            "crawl": self.crawl,
            "files": self.files,
            "requests": self.requests,
            "bytes": self.bytes,
            "by_tld": dict(self.by_tld.most_common(DOMAINS)),
            "domains": {
                domain: {"pages": count, "share": round(count / self.every[domain], 3)}
                for domain, count in self.pages.most_common(DOMAINS)
            },
        }


class IndexSampler:
    """A few row groups of the index of a crawl: where a language's top-level domain lies, and evenly over the rest."""

    def __init__(self, client: Client, sought: Sought, *, mirror: str = "", crawl: str = "latest") -> None:
        self.client, self.sought, self.base = client, sought, mirror or DATA
        self.sample = Sample(newest_crawl(client, mirror) if crawl == "latest" else crawl)
        self.paths = listed_paths(client, self.base, self.sample.crawl, "cc-index-table")
        self.opened: dict[int, tuple[RangedFile, CrawlIndex]] = {}

    def count(self, files: int) -> Sample:
        """What `files` files give. A file that cannot be read is a problem, and the others are read."""
        step = len(self.paths) / max(files, 1)
        chosen = dict.fromkeys(int(step * number) for number in range(min(files, len(self.paths))))
        for number in dict.fromkeys([*self._with_own_domain(), *chosen]):
            if self.sample.files >= files:
                break
            try:
                self._read(number)
                self.sample.files += 1
            except InputError as error:
                self.sample.problems.append(str(error))
        files_read = [file for file, _ in self.opened.values()]
        self.sample.requests = sum(file.requests for file in files_read)
        self.sample.bytes = sum(file.received for file in files_read)
        return self.sample

    def _index(self, number: int) -> CrawlIndex:
        if number not in self.opened:
            file = RangedFile(self.client, f"{self.base}/{self.paths[number]}")
            self.opened[number] = file, CrawlIndex(file, self.paths[number])
        return self.opened[number][1]

    def _with_own_domain(self) -> list[int]:
        """The file with the territory's top-level domain: the index is in the order of reversed hosts, so by halves."""
        low, high = 0, len(self.paths) - 1
        while self.sought.tld and low <= high:
            middle = (low + high) // 2
            try:
                extent = self._index(middle).extent()
            except InputError as error:
                self.sample.problems.append(str(error))
                return []
            if extent is None:
                return []
            if extent[1] < self.sought.tld:
                low = middle + 1
            elif extent[0] > self.sought.tld:
                high = middle - 1
            else:
                return [middle]
        return []

    def _read(self, number: int) -> None:
        index = self._index(number)
        own = index.promising(Selection(tld=(self.sought.tld,))) if self.sought.tld else []
        spread = [index.groups * (2 * k + 1) // (2 * GROUPS_A_FILE) for k in range(GROUPS_A_FILE)]
        promising = own[len(own) // 2 :] + own[: len(own) // 2]  # from its middle: the ends have other domains' rows
        for group in list(dict.fromkeys([*promising, *spread]))[:GROUPS_A_FILE]:
            for domain, (pages, every) in index.domains(group, self.sought.iso639_3).items():
                self.sample.pages[domain] += pages
                self.sample.every[domain] += every


def crawled_candidates(sample: Sample, sought: Sought) -> list[SourceCandidate]:
    """Common Crawl as sources: by language, and by the top-level domain that most of the sample's pages are of."""
    found = [
        SourceCandidate(
            CommonCrawlSource(
                "common-crawl", "commoncrawl", "latest", "unknown", enabled=False, content_language=sought.iso639_3
            ),
            f"{sample.pages.total():,} pages of a sample are in the language; reads a column of the whole index",
        )
    ]
    for tld, count in _leading(sample.by_tld, sought.tld):
        share = count / max(sample.pages.total(), 1)
        name = f"common-crawl-{tld}"
        spec = CommonCrawlSource(name, "commoncrawl", "latest", "unknown", enabled=False, tld=(tld,))
        found.append(SourceCandidate(spec, f"{share:.0%} of the sample's pages in the language"))
    return found


def _leading(by_tld: Mapping[str, int], own: str) -> list[tuple[str, int]]:
    """The territory's domain and that of most pages, where countries' are: of com and its like nobody wants all."""
    found = {own: by_tld.get(own, 0)} if own else {}
    for tld, count in sorted(by_tld.items(), key=lambda each: (-each[1], each[0]))[:1]:
        if len(tld) == 2:
            found.setdefault(tld, count)
    return list(found.items())


def site_address(domain: str) -> str:
    """The front page of a registered domain that an index names; empty for what is none."""
    url = f"https://{domain}/"
    try:
        host = urlsplit(url).hostname
    except ValueError:
        return ""
    return url if host == domain and re.fullmatch(r"[a-z0-9.-]+\.[a-z0-9-]+", domain) else ""
