"""One function per stage of the pipeline: reads files, writes files, returns a small report."""
