from cloacina.packaging import parse_manifest

parse_manifest(b'{"format_version": "1", "package": {}, "tasks": []}')
