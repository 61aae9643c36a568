"""The bucket and what is kept in it (artifacts, records, recipes, references), and the search index."""
