"""What a package's fingerprint stands for: each arrow is a SHA-256."""

from __future__ import annotations

from docsite.diagrams.drawing import Drawing

_FILES = ("workflow/…", "vendor/…", "provenance,\nlocks, SBOM")


def draw_fingerprint() -> str:
    """Return the way from the files of a package to its signature."""
    drawing = Drawing(
        376,
        330,
        title="One short text stands for every byte",
        description=(
            "From the top down, each step a SHA-256: the files below workflow and vendor, the provenance, the lock "
            "files and the bill of materials are listed with their hashes in CONTENTS. The hash of CONTENTS is in "
            "manifest.json. The hash of the manifest, without the fingerprint and the field signature, is the "
            "fingerprint. Signatures are over the fingerprint, and are covered by nothing."
        ),
    )
    for at, text in enumerate(_FILES):
        drawing.box(at * 126, 4, 116, 44, "plain", text)
        drawing.line((at * 126 + 58, 48), (at * 126 + 58, 66))
    drawing.line((58, 66), (310, 66))
    drawing.arrow((184, 66), (184, 92))
    drawing.text(194, 84, "the hash, size and mode of each", kind="soft")
    drawing.box(114, 92, 140, 32, "plain", "CONTENTS")
    drawing.arrow((184, 124), (184, 158))
    drawing.text(194, 145, "its hash", kind="soft")
    drawing.box(114, 158, 140, 32, "plain", "manifest.json")
    drawing.arrow((184, 190), (184, 224))
    drawing.text(194, 211, "its hash, without two fields", kind="soft")
    drawing.box(114, 224, 140, 32, "active", "fingerprint")
    drawing.arrow((184, 256), (184, 290))
    drawing.text(194, 277, "signed by any number of keys", kind="soft")
    drawing.box(114, 290, 140, 32, "idle", "signatures/…")
    return drawing.svg()
