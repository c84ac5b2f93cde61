"""The dataset card: what lies in a corpus, where it is from, and under which licence."""

from pathlib import Path
from typing import Any

from ulmkit.artifacts.atomic import atomic_write
from ulmkit.corpus.yields import index_tables, source_tables
from ulmkit.language.spec import Language
from ulmkit.names import code_span, markdown_text, yaml_text


def write_card(path: Path, language: Language, manifest: dict[str, Any]) -> None:
    """Write the card beside the shards, with the front matter that `datasets` reads."""
    counts = manifest["counts"]
    splits = {split: said for split, said in manifest["splits"].items() if said["documents"]}  # others have no file
    licences = sorted({entry["licence"] for entry in manifest["inputs"]})
    lines = [
        "---",
        f"language: {yaml_text(language.code)}",
        f"license: {yaml_text(licences[0].lower() if len(licences) == 1 else 'other')}",
        "configs:",
        "- config_name: default",
        "  data_files:",
        *(f"  - split: {split}\n    path: {split}/*.parquet" for split in splits),
        "---",
        "",
        f"# {markdown_text(language.identity.name)} corpus",
        "",
        "| split | documents | words | characters |",
        "| --- | ---: | ---: | ---: |",
        *(
            f"| {split} | {s['documents']:,} | {s['words']:,} | {s['characters']:,} |"
            for split, s in splits.items()
            if s["documents"]
        ),
        "",
        "| source | read | kept | duplicates |",
        "| --- | ---: | ---: | ---: |",
        *(
            f"| {markdown_text(name)} | {c.get('read', 0):,} | {c.get('kept', 0):,} | {c.get('duplicate', 0):,} |"
            for name, c in sorted(counts["sources"].items())
        ),
        "",
        *source_tables(manifest.get("yields", {})),
        *index_tables(manifest.get("pins", {})),
        *_consent(manifest),
        f"Licences of the inputs, as stated by whoever gave them: {', '.join(map(markdown_text, licences))}.",
        "",
        "| dropped because | documents |",
        "| --- | ---: |",
        *(
            f"| {markdown_text(reason)} | {n:,} |"
            for reason, n in sorted(counts["dropped"].items(), key=lambda x: -x[1])
        ),
        "",
        code_span(manifest["signature"]),
        "",
    ]
    with atomic_write(path, "w", encoding="utf-8") as file:
        file.write("\n".join(lines))


def _consent(manifest: dict[str, Any]) -> list[str]:
    """What was said of the use of crawled pages, before any was dropped; and a warning where that was not asked."""
    rows = [
        f"| {markdown_text(source)} | {markdown_text(said)} | {n:,} |"
        for source, counts in sorted(manifest["counts"].get("consent", {}).items())
        for said, n in sorted(counts.items(), key=lambda x: -x[1])
    ]
    if not rows:
        return []
    lines = ["| source | consent to the use of a text, and its ground | pages |", "| --- | --- | ---: |", *rows, ""]
    if manifest["options"]["consent"] == "record":
        lines += [
            "Texts whose owners refuse this use are among these (`--consent record`): for research under an exception "
            "to copyright alone, and not to be passed on. The columns `consent` and `consent_ground` tell which.",
            "",
        ]
    return lines
