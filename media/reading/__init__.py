"""Read what is in a file: a copy to show, frames of a film, passages of a document, pictures inside."""
