"""Commands on datasets, and on the use of classifiers."""
