"""What DVC and git record: stale stages, damaged outputs, revisions and experiments."""
