import tarfile
from pathlib import Path

from cloacina.packaging import read_package

with tarfile.open("reports-1.0.cloacina", "w:gz", format=tarfile.USTAR_FORMAT) as archive:
    link = tarfile.TarInfo("workflow/passwd")
    link.type = tarfile.SYMTYPE
    link.linkname = "/etc/passwd"
    archive.addfile(link)
read_package(Path("reports-1.0.cloacina"))
