"""Vendoring: a package's dependencies, installed for each target, tidied, and laid out for the archive."""

from __future__ import annotations

from cloacina.packaging.vendoring.install import vendor
from cloacina.packaging.vendoring.layout import ANY, VendorMember, lay_out
from cloacina.packaging.vendoring.site import Site, SiteFile

__all__ = ["ANY", "Site", "SiteFile", "VendorMember", "lay_out", "vendor"]
