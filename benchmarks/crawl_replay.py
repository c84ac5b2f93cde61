"""Real archives, read as they are, and replayed: their answers served again on loopback, crawled, and compared.

    python benchmarks/crawl_replay.py FOLDER_OF_WARC …

Each file is read as `corpus build --input` reads it; then every response that is kept there is served with its own
header fields and body, asked for by a crawl that finds it in a sitemap, and what the crawl archived is compared.
"""

import argparse
import hashlib
import json
import os
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests" / "support"))
SENT_ANEW = frozenset((b"content-length", b"transfer-encoding", b"connection", b"keep-alive"))  # by who serves it


def read(folders: list[Path]) -> dict[str, Any]:
    """What each file holds: documents, and what could not be read, by reason."""
    from ulmkit.document import RawDocument
    from ulmkit.formats.inputs import named_inputs, read_input
    from ulmkit.formats.origin import READING

    found: dict[str, Any] = {}
    for item in named_inputs([str(folder) for folder in folders]):
        counts: Counter[str] = Counter()
        for record in read_input(item, READING):
            counts["documents" if isinstance(record, RawDocument) else record.reason] += 1
        found[item.key] = dict(counts.most_common())
    return found


def responses(folders: list[Path]) -> list[tuple[int, list[tuple[str, str]], bytes]]:
    """Status, header fields and body of every response that fastwarc finds whole, as it was sent."""
    from fastwarc.warc import ArchiveIterator, WarcRecordType

    found = []
    for path in sorted(each for folder in folders for each in folder.iterdir() if ".warc" in each.name):
        with path.open("rb") as file:
            try:
                for record in ArchiveIterator(file, record_types=WarcRecordType.response, parse_http=False):
                    head, _, body = record.reader.read().partition(b"\r\n\r\n")
                    status, *lines = head.split(b"\r\n")
                    words = status.split(b" ", 2)
                    if len(words) < 2 or not words[1].isdigit():
                        continue
                    pairs = [line.partition(b":") for line in lines if b":" in line]
                    fields = [(n.decode("latin-1"), v.strip().decode("latin-1")) for n, _, v in pairs
                              if n.lower() not in SENT_ANEW]  # fmt: skip
                    found.append((int(words[1]), fields, body))
            except (OSError, ValueError, EOFError):
                continue
    return found


def replayed(kept: list[tuple[int, list[tuple[str, str]], bytes]]) -> dict[str, Any]:
    """What a crawl of these answers asked for, kept, and archived byte for byte."""
    from crawl_runs import crawl, documents, site_source  # type: ignore[import-not-found]
    from site_server import Reply, serving_site  # type: ignore[import-not-found]

    os.environ["no_proxy"] = "127.0.0.1"
    answers = [(status, fields, body) for status, fields, body in kept if 200 <= status < 600]
    with serving_site() as site, tempfile.TemporaryDirectory() as folder:
        for number, (status, fields, body) in enumerate(answers):
            headers = {name: value for name, value in fields if name.lower() != "content-type"}
            kind = next((value for name, value in fields if name.lower() == "content-type"), "")
            site.pages[f"/{number}"] = Reply(body, status, kind or "application/octet-stream", headers)
        site.put_sitemap([f"/{number}" for number in range(len(answers))])
        spec = site_source(site, discover=("sitemap",))
        done = crawl(site, Path(folder), spec)
        pages = documents(Path(folder), spec)
        digests = {hashlib.sha1(body, usedforsecurity=False).digest() for _, _, body in answers}
        from ulmkit.acquire.frontier import Frontier

        frontier = Frontier(Path(folder) / "frontier.sqlite")
        captured = frontier.captures("s")
        frontier.close()
    return {
        "answers": len(answers),
        "with_200": sum(status == 200 for status, _, _ in answers),
        "asked": done["asked"],
        "kept": done["kept"],
        "payloads_equal": sum(digest in digests for _, digest in captured),
        "documents": len(pages),
        "statuses": done["statuses"],
        "not_kept": done["not_kept"],
    }


def main() -> None:
    """Read and replay, as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+")
    options = parser.parse_args()
    files = read(options.folders)
    every: Counter[str] = Counter()
    for name, counts in files.items():
        every.update(counts)
        print(json.dumps({name: counts}, ensure_ascii=False))
    print(json.dumps({"files": len(files), "all": dict(every.most_common())}))
    print(json.dumps({"replayed": replayed(responses(options.folders))}))


if __name__ == "__main__":
    main()
