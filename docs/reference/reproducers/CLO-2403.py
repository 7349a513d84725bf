import tarfile
from io import BytesIO
from pathlib import Path

from cloacina.packaging import read_package

# 100 MB of zeros, in 100 kB.
with tarfile.open("reports-1.0.cloacina", "w:gz", format=tarfile.USTAR_FORMAT) as archive:
    file = tarfile.TarInfo("manifest.json")
    file.size = 100_000_000
    archive.addfile(file, BytesIO(bytes(file.size)))
read_package(Path("reports-1.0.cloacina"))
