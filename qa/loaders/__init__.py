"""Files → articles.

Read `registry` first: `LOADERS` names the loader of each extension, `load_paths` runs them. It asks `walk` for the
files in folders and patterns, and hands each loader an `InputFile` (`input_file`), which keeps to `limits`; a loader
yields `LoadedArticle`s (`loaded`). Documents: `text`, `html`, `pdf`, `docx`. Rows: `jsonl`, `table`, and `records` for
their columns. Files inside files: `zip`, `compressed`, `warc`. `encoding` turns bytes into text. Parsers that may hang
or crash run in a process of their own: `sandbox` talks to it, `sandbox_worker` is that process.
"""
