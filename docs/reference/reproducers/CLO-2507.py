from pathlib import Path

from cloacina.packaging.signing import read_allowed_signers

Path("allowed_signers").write_text("# Whose packages may run here.\nada@example.com ssh-ed25519\n")
read_allowed_signers(Path("allowed_signers"))
