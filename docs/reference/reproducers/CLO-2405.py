import json
import tarfile
from io import BytesIO
from pathlib import Path

from cloacina.packaging import read_package

# As if somebody had put another function into the manifest of a package.
manifest = {
    "format_version": "2",
    "package": {
        "name": "sales-report",
        "version": "1.0",
        "fingerprint": "508269630311d7e57dcb6b9dcc4e77bba09079ebc22d098fd298504b2b109f46",
        "targets": ["linux-x86_64"],
        "contents_sha256": "9c3d1f60b2a84e57c1d09f8a7b6e5d4c3b2a19080f7e6d5c4b3a29181f0e0d0c",
        "builds": [{"platform": "linux-x86_64", "abi": "cp311"}],
    },
    "language": "python",
    "python": {"requires_python": ">=3.11", "entry_module": "tasks"},
    "tasks": [{"id": "load", "function": "tasks:remove", "dependencies": [], "retries": 0}],
    "created_at": "1980-01-01T00:00:00Z",
}
data = json.dumps(manifest).encode()
with tarfile.open("reports-1.0.cloacina", "w:gz", format=tarfile.USTAR_FORMAT) as archive:
    file = tarfile.TarInfo("manifest.json")
    file.size = len(data)
    archive.addfile(file, BytesIO(data))
read_package(Path("reports-1.0.cloacina"))
