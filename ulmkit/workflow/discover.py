"""Where could text of a language come from? Candidates for its folder, asked for at public places."""

import dataclasses
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ulmkit.acquire.blocking import Client
from ulmkit.acquire.candidates import (
    WIKIS,
    CandidateList,
    IndexSampler,
    Sample,
    Sought,
    SourceCandidate,
    crawled_candidates,
    sets_of,
    site_address,
    wikis_of,
)
from ulmkit.acquire.crawl_lists import CRAWLS
from ulmkit.acquire.guard import Guard
from ulmkit.acquire.kinds.hub import ENDPOINT_VARIABLE, HUB
from ulmkit.acquire.sources import CONTACT, Fetching, require_contact, source_name_of
from ulmkit.authoring.cldr import facts, likely_territory, members_of
from ulmkit.authoring.wikimedia_codes import is_variety, tag_of, tags_of_wiki, wikis_of_tag
from ulmkit.errors import InputError, UsageError
from ulmkit.language.registry import get
from ulmkit.language.sources import BlogSource, SiteSource
from ulmkit.progress import Progress, Report, silent
from ulmkit.workflow.probe import look_at

_BETWEEN_S = 1.0  # between two requests to one place
LICENCE_ASKED = "page"  # of a site of which nobody knows more


@dataclass
class Discovery:
    """What was found: by place its candidates, what a sample of an index counted, and which places did not answer."""

    sought: Sought
    candidates: dict[str, list[SourceCandidate]] = field(default_factory=dict)
    problems: dict[str, list[str]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    sample: Sample | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "language": self.sought.code,
            "sought": dataclasses.asdict(self.sought),
            "candidates": [
                {"place": place, "remark": each.remark, **dataclasses.asdict(each.spec)}
                for place, found in self.candidates.items()
                for each in found
            ],
            "sample": self.sample.to_json() if self.sample else None,
            "problems": self.problems,
            "failed": self.failed,
        }


@dataclass(frozen=True)
class Places:
    """Whom to ask, where not the public ones: servers that answer as they do."""

    wikis: str = WIKIS
    hub: str = ""
    mirror: str = ""  # of Common Crawl
    crawl: str = "latest"
    files: int = 12  # of its index; 0: none
    look: int = 5  # front pages of the sites that the index names


def sought_language(code: str, languages: Path | None = None) -> Sought:
    """The language `code` as others call it: by its folder where it has one, else by CLDR and ISO 639-3.

    A code may be one of Wikimedia's (`wikimedia_codes`). Of a variety nobody but Wikimedia has lists of its own. Raises
    `UsageError` for a code that neither knows.
    """
    tag = tag_of(code)
    try:
        identity = get(tag, languages).identity
        iso, script = identity.iso639_3, identity.script
    except UsageError:
        found = facts(tag.partition("-")[0] if is_variety(tag) else tag)
        iso, script = found.iso639_3, found.script
    wikis = wikis_of_tag(tag)
    said = {*wikis, *(each.lower() for wiki in wikis for each in tags_of_wiki(wiki)), iso}
    if is_variety(tag):
        return Sought(tag, wikis=wikis, tongues=tuple(sorted(said | {tag.partition("-")[0]})))
    return Sought(tag, iso, script, likely_territory(tag), tuple(members_of(iso)), wikis, tuple(sorted(said - {""})))


def discover(
    code: str,
    how: Fetching,
    places: Places,
    *,
    languages: Path | None = None,
    report: Report = silent,
) -> Discovery:
    """Candidates for sources of the language `code`, which needs no folder yet. Nothing is kept.

    A place that does not answer stands in `failed`, and the others are asked. Raises `UsageError` for a code that
    nobody knows, and where strangers would be asked by nobody; `InputError` where no place answered.
    """
    sought = sought_language(code, languages)
    how = dataclasses.replace(how, contact=how.contact or os.environ.get(CONTACT, ""))
    hub = (places.hub or os.environ.get(ENDPOINT_VARIABLE) or HUB).rstrip("/")
    asked = [places.wikis, hub, *([places.mirror or CRAWLS] if places.files else [])]
    require_contact(asked, how)
    found = Discovery(sought)

    own = {f"{address}:{port}" for address, port in how.allowed}

    def client(base: str, guard: Guard | None = None) -> Client:
        delay_s = 0.0 if urlsplit(base).netloc in own else _BETWEEN_S
        return Client(delay_s=delay_s, attempts=2, contact=how.contact, guard=guard)

    def wikis() -> CandidateList:
        return wikis_of(client(places.wikis), client(places.wikis, how.guard()), sought, places.wikis.rstrip("/"))

    def archive() -> CandidateList:
        sampler = IndexSampler(client(places.mirror), sought, mirror=places.mirror.rstrip("/"), crawl=places.crawl)
        found.sample = sampler.count(places.files)
        return CandidateList(crawled_candidates(found.sample, sought), found.sample.problems)

    work: dict[str, Callable[[], CandidateList]] = {"wikimedia": wikis}
    if is_variety(sought.code):
        found.problems["hub, common crawl"] = [f"not asked: they do not tell {sought.code} from its neighbours"]
    else:
        work["hub"] = lambda: sets_of(client(hub), sought, hub)
        if places.files and sought.iso639_3:
            work["common crawl"] = archive
    for number, (place, ask) in enumerate(work.items()):
        report(Progress("discover", number, len(work), "places", place))
        try:
            gave = ask()
        except InputError as error:
            found.failed[place] = str(error)
            continue
        found.candidates[place] = gave.candidates
        if gave.problems:
            found.problems[place] = gave.problems
    if len(found.failed) == len(work):
        raise InputError(
            "no place could be asked: "
            + "; ".join(f"{place}: {why.rstrip('.')}" for place, why in found.failed.items())
            + ". Is there a network?"
        )
    if found.sample is not None:
        found.candidates["sites"] = _sites(found.sample, sought, how, places.look, report)
    return found


def _sites(sample: Sample, sought: Sought, how: Fetching, look: int, report: Report) -> list[SourceCandidate]:
    """The domains with the most pages in the language, as sites; of the first `look` what their front page tells."""
    found: list[SourceCandidate] = []
    for domain, pages in sample.pages.most_common(20):
        if url := site_address(domain):
            share = pages / sample.every[domain]
            remark = f"{pages:,} of {sample.every[domain]:,} pages of the sample in the language ({share:.0%})"
            spec = SiteSource(source_name_of(url), "site", url, "unknown", enabled=False)
            found.append(SourceCandidate(spec, remark))
    probes = look_at(sought.code, [each.spec for each in found[:look]], how, report=report) if look else []
    for number, probe in enumerate(probes):
        site, remark = found[number].spec, found[number].remark
        told = [probe.problem] if probe.problem else [
            f"platform {probe.platform}" if probe.platform else "no platform known",
            f"marks {', '.join(probe.licences)}" if probe.licences else "no licence mark on its front page",
        ]  # fmt: skip
        if probe.platform in ("wordpress", "blogger"):  # which the crawl finds out by itself
            site = BlogSource(site.name, "blog", site.locator, "unknown", enabled=False)
        if probe.licences:
            site = dataclasses.replace(site, licence=LICENCE_ASKED)
        found[number] = SourceCandidate(site, f"{remark}; {', '.join(told)}")
    return found
