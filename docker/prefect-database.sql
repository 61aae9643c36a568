-- The Prefect server keeps its runs in a database of its own, beside the search index.
create database prefect;
