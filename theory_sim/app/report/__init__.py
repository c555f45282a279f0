"""The report: what claims showed, as a document for machines and a site for people."""

from theory_sim.app.report.evidence import document, provenance, summary, write_json
from theory_sim.app.report.pages import Site, template

__all__ = ["Site", "document", "provenance", "summary", "template", "write_json"]
