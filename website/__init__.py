"""The documentation site, made of README and docs/ by Zensical."""
