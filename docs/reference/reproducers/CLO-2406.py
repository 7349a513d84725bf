from cloacina.packaging import parse_manifest

parse_manifest(b"""\
{
  "format_version": "2",
  "package": {
    "name": "sales-report",
    "version": "1.0",
    "fingerprint": "508269630311d7e57dcb6b9dcc4e77bba09079ebc22d098fd298504b2b109f46",
    "targets": ["linux-x86_64", "beos-ppc"]
  },
  "language": "python",
  "tasks": [
    {"id": "report", "function": "tasks:report", "dependencies": ["load"], "retries": -1}
  ],
  "created_at": "1980-01-01T00:00:00Z"
}
""")
